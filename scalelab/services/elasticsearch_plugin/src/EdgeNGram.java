package scalelab.analysis;

import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.ngram.EdgeNGramTokenFilter;
import org.elasticsearch.plugin.Inject;
import org.elasticsearch.plugin.NamedComponent;
import org.elasticsearch.plugin.analysis.TokenFilterFactory;

/** The token filter {@code edge_ngram}: the beginnings of each word, for search as one types. */
@NamedComponent("edge_ngram")
public class EdgeNGram implements TokenFilterFactory {

    private final int min;
    private final int max;
    private final boolean preserveOriginal;

    @Inject
    public EdgeNGram(Grams grams) {
        this.min = grams.min();
        this.max = grams.max();
        this.preserveOriginal = grams.preserveOriginal();
    }

    @Override
    public TokenStream create(TokenStream words) {
        return new EdgeNGramTokenFilter(words, min, max, preserveOriginal);
    }
}
