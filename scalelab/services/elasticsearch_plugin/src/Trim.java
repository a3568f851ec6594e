package scalelab.analysis;

import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.miscellaneous.TrimFilter;
import org.elasticsearch.plugin.NamedComponent;
import org.elasticsearch.plugin.analysis.TokenFilterFactory;

/** The token filter {@code trim}: words without spaces around them. */
@NamedComponent("trim")
public class Trim implements TokenFilterFactory {
    @Override
    public TokenStream create(TokenStream words) {
        return new TrimFilter(words);
    }

    @Override
    public TokenStream normalize(TokenStream words) {
        return create(words);
    }
}
