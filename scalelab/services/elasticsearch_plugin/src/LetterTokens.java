package scalelab.analysis;

import org.apache.lucene.analysis.Tokenizer;
import org.apache.lucene.analysis.core.LetterTokenizer;
import org.elasticsearch.plugin.NamedComponent;
import org.elasticsearch.plugin.analysis.TokenizerFactory;

/** The tokenizer {@code letter}: words are runs of letters. */
@NamedComponent("letter")
public class LetterTokens implements TokenizerFactory {
    @Override
    public Tokenizer create() {
        return new LetterTokenizer();
    }
}
