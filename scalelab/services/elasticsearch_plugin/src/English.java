package scalelab.analysis;

import java.util.Collection;
import java.util.List;
import org.apache.lucene.analysis.Analyzer;
import org.apache.lucene.analysis.CharArraySet;
import org.apache.lucene.analysis.en.EnglishAnalyzer;
import org.elasticsearch.plugin.Inject;
import org.elasticsearch.plugin.NamedComponent;
import org.elasticsearch.plugin.analysis.AnalyzerFactory;
import org.elasticsearch.plugin.settings.AnalysisSettings;
import org.elasticsearch.plugin.settings.ListSetting;

/** The analyzer {@code english}: words without possessives, stop words and endings. */
@NamedComponent("english")
public class English implements AnalyzerFactory {

    /** What a mapping may set. */
    @AnalysisSettings
    public interface Settings {
        /** Words to leave out; {@code _english_} (as without) and {@code _none_} are lists. */
        @ListSetting(path = "stopwords")
        List<String> stopwords();

        /** Words (in lower case) that keep their endings. */
        @ListSetting(path = "stem_exclusion")
        List<String> stemExclusion();
    }

    private final CharArraySet stopwords;
    private final CharArraySet kept;

    @Inject
    public English(Settings settings) {
        this.stopwords = stopwords(settings.stopwords());
        this.kept = new CharArraySet(settings.stemExclusion(), false);
    }

    @Override
    public Analyzer create() {
        return new EnglishAnalyzer(stopwords, kept);
    }

    private static CharArraySet stopwords(Collection<String> named) {
        if (named.isEmpty()) {
            return EnglishAnalyzer.getDefaultStopSet();
        }
        CharArraySet words = new CharArraySet(named.size(), false);
        for (String word : named) {
            switch (word) {
                case "_english_" -> words.addAll(EnglishAnalyzer.getDefaultStopSet());
                case "_none_" -> { }
                default -> words.add(word);
            }
        }
        return words;
    }
}
