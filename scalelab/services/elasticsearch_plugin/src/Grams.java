package scalelab.analysis;

import org.elasticsearch.plugin.settings.AnalysisSettings;
import org.elasticsearch.plugin.settings.BooleanSetting;
import org.elasticsearch.plugin.settings.IntSetting;

/** What a mapping may set of the filters that cut words to pieces. */
@AnalysisSettings
public interface Grams {
    @IntSetting(path = "min_gram", defaultValue = 1)
    int min();

    @IntSetting(path = "max_gram", defaultValue = 2)
    int max();

    /** Whether a word that is shorter or longer than its pieces stays as well. */
    @BooleanSetting(path = "preserve_original", defaultValue = false)
    boolean preserveOriginal();
}
