package scalelab.analysis;

import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.miscellaneous.ASCIIFoldingFilter;
import org.elasticsearch.plugin.Inject;
import org.elasticsearch.plugin.NamedComponent;
import org.elasticsearch.plugin.analysis.TokenFilterFactory;
import org.elasticsearch.plugin.settings.AnalysisSettings;
import org.elasticsearch.plugin.settings.BooleanSetting;

/** The token filter {@code asciifolding}: letters without their accents. */
@NamedComponent("asciifolding")
public class AsciiFolding implements TokenFilterFactory {

    /** What a mapping may set. */
    @AnalysisSettings
    public interface Settings {
        /** Whether the word with its accents stays beside the one without. */
        @BooleanSetting(path = "preserve_original", defaultValue = false)
        boolean preserveOriginal();
    }

    private final boolean preserveOriginal;

    @Inject
    public AsciiFolding(Settings settings) {
        this.preserveOriginal = settings.preserveOriginal();
    }

    @Override
    public TokenStream create(TokenStream words) {
        return new ASCIIFoldingFilter(words, preserveOriginal);
    }

    @Override
    public TokenStream normalize(TokenStream words) {
        // A normal form is one word: never two, whatever preserve_original says.
        return new ASCIIFoldingFilter(words, false);
    }
}
