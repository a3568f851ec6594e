package scalelab.analysis;

import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.en.KStemFilter;
import org.elasticsearch.plugin.NamedComponent;
import org.elasticsearch.plugin.analysis.TokenFilterFactory;

/** The token filter {@code kstem}: English words without their endings, more carefully. */
@NamedComponent("kstem")
public class KStem implements TokenFilterFactory {
    @Override
    public TokenStream create(TokenStream words) {
        return new KStemFilter(words);
    }
}
