package scalelab.analysis;

import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.ngram.NGramTokenFilter;
import org.elasticsearch.plugin.Inject;
import org.elasticsearch.plugin.NamedComponent;
import org.elasticsearch.plugin.analysis.TokenFilterFactory;

/** The token filter {@code ngram}: all pieces of each word, for search in the middle of words. */
@NamedComponent("ngram")
public class NGram implements TokenFilterFactory {

    private final int min;
    private final int max;
    private final boolean preserveOriginal;

    @Inject
    public NGram(Grams grams) {
        this.min = grams.min();
        this.max = grams.max();
        this.preserveOriginal = grams.preserveOriginal();
    }

    @Override
    public TokenStream create(TokenStream words) {
        return new NGramTokenFilter(words, min, max, preserveOriginal);
    }
}
