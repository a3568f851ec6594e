package scalelab.analysis;

import java.io.IOException;
import java.io.StringReader;
import java.text.ParseException;
import java.util.List;
import org.apache.lucene.analysis.Analyzer;
import org.apache.lucene.analysis.LowerCaseFilter;
import org.apache.lucene.analysis.Tokenizer;
import org.apache.lucene.analysis.standard.StandardTokenizer;
import org.apache.lucene.analysis.synonym.SolrSynonymParser;
import org.apache.lucene.analysis.synonym.SynonymMap;
import org.elasticsearch.plugin.settings.AnalysisSettings;
import org.elasticsearch.plugin.settings.BooleanSetting;
import org.elasticsearch.plugin.settings.ListSetting;

/**
 * What a mapping may set of the synonym filters.
 *
 * <p>A full server takes the rules' words through the filters that stand before the synonyms.
 * A plugin cannot see those: here they go through {@code standard} and {@code lowercase}, which
 * comes to the same where the synonyms stand before a stemmer.
 */
@AnalysisSettings
public interface Synonyms {
    /** Rules such as {@code "quick, fast"} and {@code "tv => television"}. */
    @ListSetting(path = "synonyms")
    List<String> rules();

    /** Whether {@code "quick, fast"} means both for either, or the first for either. */
    @BooleanSetting(path = "expand", defaultValue = true)
    boolean expand();

    /** Rules that are read when they are first wanted: what is wrong with them is told then. */
    final class Rules {
        private final List<String> rules;
        private final boolean expand;
        private SynonymMap map;

        Rules(Synonyms settings) {
            this.rules = settings.rules();
            this.expand = settings.expand();
        }

        /** Whether there are none: a filter is also made before any mapping has set them. */
        boolean none() {
            return rules.isEmpty();
        }

        synchronized SynonymMap map() {
            if (map == null) {
                map = read();
            }
            return map;
        }

        private SynonymMap read() {
            try (Analyzer words = new Words()) {
                SolrSynonymParser parser = new SolrSynonymParser(true, expand, words);
                parser.parse(new StringReader(String.join("\n", rules)));
                return parser.build();
            } catch (ParseException error) {
                Throwable why = error.getCause() == null ? error : error.getCause();
                String what = error.getMessage() + ": " + why.getMessage();
                throw new IllegalArgumentException(what, error);
            } catch (IOException error) {
                throw new IllegalArgumentException("the synonyms cannot be read", error);
            }
        }
    }

    /** How the words of rules are read. */
    final class Words extends Analyzer {
        @Override
        protected TokenStreamComponents createComponents(String field) {
            Tokenizer words = new StandardTokenizer();
            return new TokenStreamComponents(words, new LowerCaseFilter(words));
        }
    }
}
