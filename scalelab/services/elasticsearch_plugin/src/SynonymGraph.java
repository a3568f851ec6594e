package scalelab.analysis;

import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.synonym.SynonymGraphFilter;
import org.elasticsearch.plugin.Inject;
import org.elasticsearch.plugin.NamedComponent;
import org.elasticsearch.plugin.analysis.TokenFilterFactory;

/** The token filter {@code synonym_graph}: phrases of several words keep their order. */
@NamedComponent("synonym_graph")
public class SynonymGraph implements TokenFilterFactory {

    private final Synonyms.Rules rules;

    @Inject
    public SynonymGraph(Synonyms settings) {
        this.rules = new Synonyms.Rules(settings);
    }

    @Override
    public TokenStream create(TokenStream words) {
        return rules.none() ? words : new SynonymGraphFilter(words, rules.map(), false);
    }
}
