package scalelab.analysis;

import java.io.Reader;
import org.apache.lucene.analysis.charfilter.HTMLStripCharFilter;
import org.elasticsearch.plugin.NamedComponent;
import org.elasticsearch.plugin.analysis.CharFilterFactory;

/** The character filter {@code html_strip}: a page's text without its tags. */
@NamedComponent("html_strip")
public class HtmlStrip implements CharFilterFactory {
    @Override
    public Reader create(Reader text) {
        return new HTMLStripCharFilter(text);
    }
}
