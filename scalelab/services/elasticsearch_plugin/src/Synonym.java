package scalelab.analysis;

import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.synonym.SynonymFilter;
import org.elasticsearch.plugin.Inject;
import org.elasticsearch.plugin.NamedComponent;
import org.elasticsearch.plugin.analysis.TokenFilterFactory;

/** The token filter {@code synonym}. */
@NamedComponent("synonym")
@SuppressWarnings("deprecation") // a full server's filter of this name is the older one as well
public class Synonym implements TokenFilterFactory {

    private final Synonyms.Rules rules;

    @Inject
    public Synonym(Synonyms settings) {
        this.rules = new Synonyms.Rules(settings);
    }

    @Override
    public TokenStream create(TokenStream words) {
        return rules.none() ? words : new SynonymFilter(words, rules.map(), false);
    }
}
