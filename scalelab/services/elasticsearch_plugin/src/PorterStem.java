package scalelab.analysis;

import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.en.PorterStemFilter;
import org.elasticsearch.plugin.NamedComponent;
import org.elasticsearch.plugin.analysis.TokenFilterFactory;

/** The token filter {@code porter_stem}: English words without their endings. */
@NamedComponent("porter_stem")
public class PorterStem implements TokenFilterFactory {
    @Override
    public TokenStream create(TokenStream words) {
        return new PorterStemFilter(words);
    }
}
