package scalelab.analysis;

import java.util.List;
import java.util.function.IntPredicate;
import org.apache.lucene.analysis.Tokenizer;
import org.apache.lucene.analysis.ngram.EdgeNGramTokenizer;
import org.elasticsearch.plugin.Inject;
import org.elasticsearch.plugin.NamedComponent;
import org.elasticsearch.plugin.analysis.TokenizerFactory;

/** The tokenizer {@code edge_ngram}: the beginnings of the text, or of its words. */
@NamedComponent("edge_ngram")
public class EdgeNGramTokens implements TokenizerFactory {

    private final int min;
    private final int max;
    private final List<String> kinds;

    @Inject
    public EdgeNGramTokens(TokenGrams grams) {
        this.min = grams.min();
        this.max = grams.max();
        this.kinds = grams.kinds();
    }

    @Override
    public Tokenizer create() {
        IntPredicate inWord = TokenGrams.matcher(kinds);
        return new EdgeNGramTokenizer(min, max) {
            @Override
            protected boolean isTokenChar(int c) {
                return inWord.test(c);
            }
        };
    }
}
