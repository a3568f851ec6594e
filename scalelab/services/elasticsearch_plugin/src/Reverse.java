package scalelab.analysis;

import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.reverse.ReverseStringFilter;
import org.elasticsearch.plugin.NamedComponent;
import org.elasticsearch.plugin.analysis.TokenFilterFactory;

/** The token filter {@code reverse}: words from their ends, for wildcards at their beginnings. */
@NamedComponent("reverse")
public class Reverse implements TokenFilterFactory {
    @Override
    public TokenStream create(TokenStream words) {
        return new ReverseStringFilter(words);
    }
}
