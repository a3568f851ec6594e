package scalelab.analysis;

import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.en.EnglishMinimalStemFilter;
import org.apache.lucene.analysis.en.EnglishPossessiveFilter;
import org.apache.lucene.analysis.en.KStemFilter;
import org.apache.lucene.analysis.en.PorterStemFilter;
import org.apache.lucene.analysis.snowball.SnowballFilter;
import org.elasticsearch.plugin.Inject;
import org.elasticsearch.plugin.NamedComponent;
import org.elasticsearch.plugin.analysis.TokenFilterFactory;
import org.elasticsearch.plugin.settings.AnalysisSettings;
import org.elasticsearch.plugin.settings.StringSetting;
import org.tartarus.snowball.ext.EnglishStemmer;

/** The token filter {@code stemmer}, in its English forms. */
@NamedComponent("stemmer")
public class Stemmer implements TokenFilterFactory {

    /** What a mapping may set: {@code name} is the older word for {@code language}. */
    @AnalysisSettings
    public interface Settings {
        @StringSetting(path = "language", defaultValue = "")
        String language();

        @StringSetting(path = "name", defaultValue = "")
        String name();
    }

    private final String language;

    @Inject
    public Stemmer(Settings settings) {
        String language = settings.language().isEmpty() ? settings.name() : settings.language();
        this.language = language.isEmpty() ? "porter" : language;
    }

    @Override
    public TokenStream create(TokenStream words) {
        return switch (language) {
            case "english", "porter" -> new PorterStemFilter(words);
            case "light_english", "lightEnglish", "kstem" -> new KStemFilter(words);
            case "minimal_english", "minimalEnglish" -> new EnglishMinimalStemFilter(words);
            case "possessive_english", "possessiveEnglish" -> new EnglishPossessiveFilter(words);
            case "porter2" -> new SnowballFilter(words, new EnglishStemmer());
            default -> throw new IllegalArgumentException(
                "this reduced server stems English alone, not [" + language + "]");
        };
    }
}
