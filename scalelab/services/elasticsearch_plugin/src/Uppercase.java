package scalelab.analysis;

import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.core.UpperCaseFilter;
import org.elasticsearch.plugin.NamedComponent;
import org.elasticsearch.plugin.analysis.TokenFilterFactory;

/** The token filter {@code uppercase}: words in capital letters. */
@NamedComponent("uppercase")
public class Uppercase implements TokenFilterFactory {
    @Override
    public TokenStream create(TokenStream words) {
        return new UpperCaseFilter(words);
    }

    @Override
    public TokenStream normalize(TokenStream words) {
        return create(words);
    }
}
