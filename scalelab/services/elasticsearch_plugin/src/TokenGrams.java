package scalelab.analysis;

import java.util.List;
import java.util.function.IntPredicate;
import org.elasticsearch.plugin.settings.AnalysisSettings;
import org.elasticsearch.plugin.settings.IntSetting;
import org.elasticsearch.plugin.settings.ListSetting;

/** What a mapping may set of the tokenizers that cut a text to pieces. */
@AnalysisSettings
public interface TokenGrams {
    @IntSetting(path = "min_gram", defaultValue = 1)
    int min();

    @IntSetting(path = "max_gram", defaultValue = 2)
    int max();

    /** Kinds of characters that make words ({@code letter}, ...); without any, all do. */
    @ListSetting(path = "token_chars")
    List<String> kinds();

    /** Which characters make words, by these names. */
    static IntPredicate matcher(List<String> kinds) {
        return kinds.stream().map(TokenGrams::kind).reduce(IntPredicate::or).orElse(c -> true);
    }

    private static IntPredicate kind(String name) {
        return switch (name) {
            case "letter" -> Character::isLetter;
            case "digit" -> Character::isDigit;
            case "whitespace" -> Character::isWhitespace;
            case "punctuation" -> c -> switch (Character.getType(c)) {
                case Character.START_PUNCTUATION, Character.END_PUNCTUATION,
                    Character.OTHER_PUNCTUATION, Character.CONNECTOR_PUNCTUATION,
                    Character.DASH_PUNCTUATION, Character.INITIAL_QUOTE_PUNCTUATION,
                    Character.FINAL_QUOTE_PUNCTUATION -> true;
                default -> false;
            };
            case "symbol" -> c -> switch (Character.getType(c)) {
                case Character.CURRENCY_SYMBOL, Character.MATH_SYMBOL, Character.OTHER_SYMBOL,
                    Character.MODIFIER_SYMBOL -> true;
                default -> false;
            };
            default -> throw new IllegalArgumentException("no token_chars are called [" + name + "]");
        };
    }
}
