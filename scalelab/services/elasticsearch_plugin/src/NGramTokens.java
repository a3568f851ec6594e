package scalelab.analysis;

import java.util.List;
import java.util.function.IntPredicate;
import org.apache.lucene.analysis.Tokenizer;
import org.apache.lucene.analysis.ngram.NGramTokenizer;
import org.elasticsearch.plugin.Inject;
import org.elasticsearch.plugin.NamedComponent;
import org.elasticsearch.plugin.analysis.TokenizerFactory;

/** The tokenizer {@code ngram}: all pieces of the text, or of its words. */
@NamedComponent("ngram")
public class NGramTokens implements TokenizerFactory {

    private final int min;
    private final int max;
    private final List<String> kinds;

    @Inject
    public NGramTokens(TokenGrams grams) {
        this.min = grams.min();
        this.max = grams.max();
        this.kinds = grams.kinds();
    }

    @Override
    public Tokenizer create() {
        IntPredicate inWord = TokenGrams.matcher(kinds);
        return new NGramTokenizer(min, max) {
            @Override
            protected boolean isTokenChar(int c) {
                return inWord.test(c);
            }
        };
    }
}
