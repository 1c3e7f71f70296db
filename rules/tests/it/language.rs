//! What each part of the language means.

use lapwing_rules::{Band, Category, Hit, HostClass, Level, Mark, RuleSet, Scope, Text, split_url};

use super::{compiled, pack, rule, titles};

fn hit(rules: &RuleSet, title: &str) -> Option<Hit> {
    rules.evaluate(&[Text::new(Scope::Title, title)], Band::Ks3).hits.into_iter().next()
}

fn fires(rules: &RuleSet, title: &str) -> bool {
    hit(rules, title).is_some()
}

/// The matched stretches of a title.
fn words<'a>(rules: &RuleSet, title: &'a str) -> Vec<&'a str> {
    let spans = hit(rules, title).map(|hit| hit.spans).unwrap_or_default();
    spans.iter().map(|span| title.get(span.start..span.end).expect("spans stand on character boundaries")).collect()
}

#[test]
fn phrases_match_whole_words_however_they_are_spelt() {
    let rules = titles("match = { phrase = \"red kite\" }");
    for title in ["Red Kite", "the RED-KITE!", "r3d k1te", "r e d kite", "reeed kiiite", "rеd kіte", "re\u{200b}d kite"]
    {
        assert!(fires(&rules, title), "{title}");
    }
    for title in ["redkite", "red kites", "kite red", "bored kite", "red a kite", ""] {
        assert!(!fires(&rules, title), "{title}");
    }
    assert_eq!(words(&rules, "«ｒｅｄ» kîte."), ["ｒｅｄ» kîte"]);
}

#[test]
fn a_phrase_is_folded_like_the_text() {
    assert!(fires(&titles("match = { phrase = \"Don’t\" }"), "DONT"));
}

#[test]
fn a_phrase_of_any_script_is_found_inside_a_sentence() {
    let rules = titles("match = { any = [\"麦鸡巢\", \"รังนก\", \"гнездо чибиса\", \"عش الطائر\"] }");
    for (title, found) in [
        ("我看麦鸡巢了", "麦鸡巢"),
        ("ดูรังนกในสวน", "รังนก"),
        ("Где ГНЕЗДО\u{301} чибиса?", "ГНЕЗДО\u{301} чибиса"),
        ("أين عُشّ الطائر", "عُشّ الطائر"),
    ] {
        assert_eq!(words(&rules, title), [found]);
    }
    assert!(!fires(&rules, "麦巢鸡") && !fires(&rules, "гнездо грача"));
}

#[test]
fn a_host_in_punycode_is_read_by_the_letters_it_stands_for() {
    let rules = compiled(&pack(
        "\"url_host\"",
        "match = { substring = [\"lapwing\", \"vögel\"], reason = \"names run together\" }",
    ));
    let rules = rules.unwrap();
    let hits = |url: &str| rules.evaluate(&split_url(url).unwrap().texts(), Band::Ks3).hits;
    for url in ["https://l\u{430}pwingeggs.example/", "https://meine-vögel.example/", "https://lapwings.example/"] {
        let hit = hits(url).pop().unwrap_or_else(|| panic!("{url}"));
        let host = split_url(url).unwrap().host;
        assert!(hit.spans.iter().all(|span| host.get(span.start..span.end).is_some()), "{url}");
    }
    assert!(hits("https://xn--bcher-kva.example/").is_empty());
}

#[test]
fn all_groups_must_stand_in_the_same_text() {
    let rules = titles("match = { all = [\"owl\", { any = [\"barn\", \"tawny\"], mark = \"method\" }] }");
    assert!(fires(&rules, "an owl in a barn") && !fires(&rules, "an owl"));
    let apart = [Text::new(Scope::Title, "owl"), Text::new(Scope::Title, "barn")];
    assert!(rules.evaluate(&apart, Band::Ks3).hits.is_empty());
    let marks: Vec<Mark> = hit(&rules, "owl barn").unwrap().spans.iter().map(|span| span.mark).collect();
    assert_eq!(marks, [Mark::Topic, Mark::Method]);
}

#[test]
fn near_counts_the_words_between_first_and_last() {
    let rules = titles("match.near = { within = 2, groups = [\"owl\", \"nest\"] }");
    assert!(fires(&rules, "owl nest") && fires(&rules, "owl a b nest") && fires(&rules, "nest a b owl"));
    assert!(!fires(&rules, "owl a b c nest"));
    let marks: Vec<Mark> = hit(&rules, "owl nest").unwrap().spans.iter().map(|span| span.mark).collect();
    assert_eq!(marks, [Mark::Topic, Mark::Context], "a later group is context unless it says otherwise");
}

#[test]
fn ordered_near_keeps_the_order_written() {
    let rules = titles("match.near = { within = 3, ordered = true, groups = [\"owl\", \"egg\", \"nest\"] }");
    assert!(fires(&rules, "owl egg nest") && fires(&rules, "nest owl x egg x nest"));
    assert!(!fires(&rules, "nest egg owl") && !fires(&rules, "owl nest egg"));
}

#[test]
fn one_word_cannot_be_two_groups() {
    let rules = titles("match.near = { within = 3, groups = [\"owl\", { any = [\"owl\", \"barn owl\"] }] }");
    assert!(!fires(&rules, "barn owl") && fires(&rules, "owl barn owl"));
}

#[test]
fn a_threshold_sums_the_weights_of_distinct_phrases() {
    let rules = titles(
        "[rule.match]\nthreshold = 3\nany = [\"owl\", { phrase = \"nest\", weight = 2 }, { phrase = \"zoo\", weight = -1 }]",
    );
    assert!(!fires(&rules, "owl owl owl") && !fires(&rules, "nest") && !fires(&rules, "owl nest zoo"));
    assert_eq!(hit(&rules, "owl in a nest").unwrap().weight, 3);
}

#[test]
fn an_exception_consumes_only_the_words_it_covers() {
    let rules = titles("match = { phrase = \"owl\" }\nexcept = [{ phrase = \"owl class\" }]");
    assert!(!fires(&rules, "Owl class timetable"));
    let hit = hit(&rules, "Owl class saw an owl").unwrap();
    assert_eq!((hit.spans.len(), hit.excepted.len()), (1, 1));
    assert_eq!(hit.excepted[0].phrase, "owl class");
}

#[test]
fn an_exception_does_not_reach_across_the_end_of_a_sentence() {
    let rules = titles("match = { phrase = \"owl theft\" }\nexcept = [{ phrase = \"owl theft game\" }]");
    assert!(!fires(&rules, "owl-theft game") && !fires(&rules, "Owl_theft.game") && !fires(&rules, "owl theft: game"));
    for title in ["owl theft. Game on", "owl theft! game", "owl theft\ngame"] {
        assert!(fires(&rules, title), "{title}");
    }
}

#[test]
fn no_number_of_repeats_pushes_an_intent_out_of_the_verdict() {
    let rules = titles("match.all = [\"owl\", { any = [\"i want\"], mark = \"intent\" }]");
    let hit = hit(&rules, &format!("{} i want", "owl ".repeat(60))).unwrap();
    assert_eq!(hit.spans.len(), Hit::MAX_SPANS);
    assert!(hit.spans.iter().any(|span| span.mark == Mark::Intent));
    assert!(hit.spans.is_sorted());
}

#[test]
fn a_host_exception_silences_one_rule_on_the_whole_signal() {
    let text = [
        pack("\"title\", \"query\"", "match = { phrase = \"owl\" }\nexcept = [{ host = \"bbc.co.uk\" }]"),
        rule("t.other", "\"title\"", "match = { phrase = \"owl\" }"),
    ];
    let rules = compiled(&text.concat()).unwrap();
    let on = |host: &str| {
        let texts = [Text::new(Scope::UrlHost, host), Text::new(Scope::Title, "an owl")];
        rules.evaluate(&texts, Band::Ks3).hits.len()
    };
    assert_eq!((on("www.bbc.co.uk"), on("bbc.co.uk.evil.example"), on("notbbc.co.uk")), (1, 2, 2));
}

#[test]
fn a_domain_rule_marks_the_whole_host() {
    let rules = compiled(&pack("\"url_host\"", "match = { domain = [\"bet.example\", \"=odds.example\"] }")).unwrap();
    let spans = |url: &str| {
        let texts = split_url(url).unwrap().texts();
        rules.evaluate(&texts, Band::Ks3).hits.first().map(|hit| (hit.spans[0].start, hit.spans[0].end))
    };
    assert_eq!(spans("https://www.bet.example/x"), Some((0, 15)));
    assert_eq!(spans("https://odds.example/"), Some((0, 12)));
    assert_eq!(spans("https://www.odds.example/"), None);
    assert_eq!(spans("https://alphabet.example/"), None);
}

#[test]
fn a_list_of_registrable_domains_means_the_whole_site_of_each_host() {
    let list = "\n[[domains]]\nid = \"bets\"\nregistrable = true\nclass = \"confidential\"\n\
        hosts = [\"www.bet.co.uk\", \"a.odds.github.io\", \"127.0.0.1\"]\n";
    let rules = compiled(&(pack("\"url_host\"", "match = { domain = { list = \"bets\" } }") + list)).unwrap();
    let fires = |host: &str| !rules.evaluate(&[Text::new(Scope::UrlHost, host)], Band::Ks3).hits.is_empty();
    for host in ["bet.co.uk", "m.bet.co.uk", "odds.github.io", "b.odds.github.io", "127.0.0.1"] {
        assert!(fires(host) && rules.host_class(host) == HostClass::Confidential, "{host}");
    }
    for host in ["co.uk", "alphabet.co.uk", "github.io", "other.github.io", "127.0.0.2", "0.1"] {
        assert!(!fires(host) && rules.host_class(host) == HostClass::Ordinary, "{host}");
    }
}

#[test]
fn lists_of_hosts_give_rules_and_classes() {
    let lists = "\n[[domains]]\nid = \"help\"\nclass = \"support\"\nhosts = [\"help.example\"]\n\
        [[domains]]\nid = \"union\"\nclass = \"protected\"\nhosts = [\"union.help.example\", \"=x.example\"]\n";
    let rules = compiled(&(pack("\"url_host\"", "match = { domain = { list = \"help\" } }") + lists)).unwrap();
    assert_eq!(rules.host_class("www.help.example"), HostClass::Support);
    assert_eq!(rules.host_class("a.union.help.example"), HostClass::Protected);
    assert_eq!(rules.host_class("a.x.example"), HostClass::Ordinary);
    assert_eq!(rules.host_class("help.example.org"), HostClass::Ordinary);
    assert_eq!(rules.evaluate(&[Text::new(Scope::UrlHost, "help.example")], Band::Ks3).hits.len(), 1);
}

#[test]
fn substrings_match_inside_words_and_mark_the_word() {
    let rules = titles("match = { substring = [\"tawny\"], reason = \"compound names\" }");
    assert_eq!(words(&rules, "the SuperTawnyOwl"), ["SuperTawnyOwl"]);
    assert!(fires(&rules, "x t4wnyy x") && !fires(&rules, "taw ny"));
}

#[test]
fn any_medium_fires_without_a_span() {
    let rules = compiled(&pack("\"media\"", "match = { media = \"any\" }")).unwrap();
    let hits = rules.evaluate(&[Text::new(Scope::Media, "")], Band::Ks3).hits;
    assert_eq!((hits.len(), hits[0].spans.len()), (1, 0));
    assert!(rules.evaluate(&[Text::new(Scope::Title, "usb")], Band::Ks3).hits.is_empty());
}

#[test]
fn a_medium_can_be_known_by_its_label() {
    let rules = compiled(&pack("\"media\"", "match = { media = [\"tails\"] }")).unwrap();
    let fires = |label: &str| !rules.evaluate(&[Text::new(Scope::Media, label)], Band::Ks3).hits.is_empty();
    assert!(fires("TAILS") && !fires("COCKTAILS"));
}

#[test]
fn rules_look_at_their_own_scopes_bands_and_levels() {
    let rules = titles("match = { phrase = \"owl\" }\nbands = [\"ks1\", \"ks3\"]\nlevel = 2\nlevels = { ks1 = 4 }");
    let level = |scope, band| rules.evaluate(&[Text::new(scope, "owl")], band).level();
    assert_eq!(level(Scope::Title, Band::Ks1), Some(Level::High));
    assert_eq!(level(Scope::Title, Band::Ks3), Some(Level::Low));
    assert_eq!(level(Scope::Title, Band::Staff), None);
    assert_eq!(level(Scope::Query, Band::Ks3), None);
}

#[test]
fn hits_stand_in_order_of_level_and_id() {
    let text = [
        pack("\"title\"", "match = { phrase = \"owl\" }\nlevel = 2"),
        rule("t.b", "\"title\"", "match = { phrase = \"owl\" }\nlevel = 3"),
        rule("t.a", "\"title\"", "match = { phrase = \"owl\" }\nlevel = 3"),
    ];
    let verdict = compiled(&text.concat()).unwrap().evaluate(&[Text::new(Scope::Title, "owl")], Band::Ks3);
    let ids: Vec<&str> = verdict.hits.iter().map(|hit| hit.rule.as_str()).collect();
    assert_eq!(ids, ["t.a", "t.b", "t.rule"]);
}

#[test]
fn what_is_not_wanted_counts_towards_no_bound() {
    let other = |number| rule(&format!("t.a{number:02}"), "\"title\"", "match = { phrase = \"owl nest\" }\nlevel = 5");
    let last = rule("t.z", "\"title\"", "match = { phrase = \"owl nest\" }\nlevel = 2").replace("weapons", "gambling");
    let text = pack("\"title\"", "match = { phrase = \"barn owl\" }") + &(0..20).map(other).collect::<String>() + &last;
    let texts = [Text::new(Scope::Title, "owl nest")];
    let wanted = |hit: &mut Hit| hit.category != Category::Weapons;
    let (verdict, _) = compiled(&text).unwrap().evaluate_where(&texts, Band::Ks3, wanted);
    assert_eq!(verdict.hits.iter().map(|hit| hit.rule.as_str()).collect::<Vec<_>>(), ["t.z"]);
}

#[test]
fn lists_that_make_too_many_phrases_together_are_refused() {
    let words = |prefix: char| (0..21).map(|number| format!("\"{prefix}{number}\"")).collect::<Vec<_>>().join(", ");
    let list = |id| format!("[[list]]\nid = \"{id}\"\nphrases = [{}]\n", words(id));
    let phrases: Vec<String> = (0..60).map(|number| format!("\"{{x}} {{y}} {{z}} w{number}\"")).collect();
    let text =
        pack("\"title\"", &format!("match.any = [{}]", phrases.join(", "))) + &list('x') + &list('y') + &list('z');
    let errors = compiled(&text).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].to_string().contains("R006: this pack makes more than 500000 phrases"), "{}", errors[0]);
}

#[test]
fn a_text_full_of_other_topics_does_not_crowd_out_an_illegal_one() {
    let other = |number| rule(&format!("t.a{number:02}"), "\"title\"", "match = { phrase = \"owl nest\" }\nlevel = 5");
    let illegal = rule("t.z", "\"title\"", "match = { phrase = \"owl nest\" }").replace("weapons", "nudes");
    let text: String = std::iter::once(pack("\"title\"", "match = { phrase = \"barn owl\" }"))
        .chain((0..20).map(other))
        .chain([illegal])
        .collect();
    let verdict = compiled(&text).unwrap().evaluate(&[Text::new(Scope::Title, "owl nest")], Band::Ks3);
    let ids: Vec<&str> = verdict.hits.iter().map(|hit| hit.rule.as_str()).collect();
    assert_eq!((ids.len(), ids.first(), ids.last()), (16, Some(&"t.a00"), Some(&"t.z")));
}

#[test]
fn facts_are_what_the_pack_says() {
    let rules = titles("match = { phrase = \"owl\" }\ncooldown = \"90s\"");
    let facts = rules.rule(&"t.rule".parse().unwrap()).unwrap();
    assert_eq!((facts.category, facts.level), (Category::Weapons, Category::Weapons.default_level()));
    assert_eq!((facts.cooldown.as_secs(), facts.guidance.as_str()), (90, "Talk."));
    assert!(rules.rule(&"t.none".parse().unwrap()).is_none());
    assert_eq!(rules.rules().count(), 1);
    assert!(rules.base().is_none());
}

#[test]
fn a_verdict_explains_itself() {
    let rules =
        titles("match = { any = [{ phrase = \"owl\", mark = \"intent\" }] }\nexcept = [{ phrase = \"owl class\" }]");
    let texts = [Text::new(Scope::Title, "Owl class saw an owl")];
    let told = rules.evaluate(&texts, Band::Ks3).explain(&texts, &rules);
    for part in ["t.rule", "A title", "Owl class saw an [owl]", "intent \"owl\"", "\"owl class\"", "Talk."] {
        assert!(told.contains(part), "{part} in {told}");
    }
}

#[test]
fn a_verdict_says_when_the_band_decided_the_level() {
    let rules = titles("match = { phrase = \"owl\" }\nlevel = 2\nlevels = { ks1 = 4 }");
    let texts = [Text::new(Scope::Title, "owl")];
    let told = |band| rules.evaluate(&texts, band).explain(&texts, &rules);
    assert!(told(Band::Ks1).contains("band ks1 its own level, otherwise 2"), "{}", told(Band::Ks1));
    assert!(!told(Band::Ks3).contains("its own level"));
}

#[test]
fn texts_beyond_the_bounds_are_not_looked_at() {
    let rules = titles("match = { phrase = \"owl\" }");
    let long = format!("{} owl", "é".repeat(Text::MAX_BYTES));
    assert!(!fires(&rules, &long));
    let mut texts = vec![Text::new(Scope::Title, "x"); 16];
    texts.push(Text::new(Scope::Title, "owl"));
    assert!(rules.evaluate(&texts, Band::Ks3).hits.is_empty());
}

#[test]
fn lists_named_in_braces_fill_a_phrase_in_every_way() {
    let lists = "[[list]]\nid = \"birds\"\nphrases = [\"owl\", \"red kite\"]\n[[list]]\nid = \"homes\"\nphrases = [\"nest\", \"box\"]\n";
    let text =
        "match = { phrase = \"steal {birds} {homes}\" }\nexcept = [{ phrase = \"steal {birds} box in the game\" }]\n";
    let rules = compiled(&(pack("\"title\"", text) + lists)).unwrap();
    assert!(fires(&rules, "steal owl box") && fires(&rules, "steal red kite nest"));
    assert!(!fires(&rules, "steal owl") && !fires(&rules, "steal box") && !fires(&rules, "steal birds homes"));
    assert!(!fires(&rules, "steal red kite box in the game"));
    assert_eq!(words(&rules, "they steal red kite nests and steal owl nest"), ["steal owl nest"]);
}

/// A rule about a topic, one of whose exceptions leads to a rule about help.
fn rerouting() -> RuleSet {
    let help = rule("t.help", "\"title\"", "match = { phrase = \"helpline\" }\nbands = [\"ks3\", \"staff\"]");
    let help = help.replace("weapons", "help_seeking");
    let text = "match.near = { within = 4, groups = [\"how to\", \"owl theft\"] }\n\
        except = [{ phrase = \"how to stop\", reroute = \"t.help\" }, { phrase = \"owl theft game\" }]";
    compiled(&(pack("\"title\"", text) + &help)).unwrap()
}

#[test]
fn an_exception_leads_to_help_what_it_kept_from_firing() {
    let rules = rerouting();
    let hits = |title: &str| rules.evaluate(&[Text::new(Scope::Title, title)], Band::Ks3).hits;
    let ids = |title: &str| hits(title).iter().map(|hit| hit.rule.to_string()).collect::<Vec<_>>();
    assert_eq!(ids("how to stop owl theft"), ["t.help"]);
    assert_eq!(ids("how to commit owl theft"), ["t.rule"]);
    assert_eq!(ids("how to stop owl theft, how to commit owl theft"), ["t.rule"], "what still fires is not led away");
    assert!(ids("how to stop a cold").is_empty() && ids("how to stop owl theft game").is_empty());
    assert_eq!(ids("helpline: how to stop owl theft"), ["t.help"], "one hit a rule");
    let [hit] = hits("how to stop owl theft").try_into().unwrap();
    let marks: Vec<(usize, usize, Mark)> = hit.spans.iter().map(|span| (span.start, span.end, span.mark)).collect();
    assert_eq!(marks, [(0, 11, Mark::Topic), (12, 21, Mark::Context)]);
    assert_eq!((hit.category, hit.excepted.len()), (Category::HelpSeeking, 1));
}

#[test]
fn an_exception_leads_nowhere_in_a_band_the_other_rule_is_not_for() {
    let texts = [Text::new(Scope::Title, "how to stop owl theft")];
    assert!(rerouting().evaluate(&texts, Band::Ks4).hits.is_empty());
}

#[test]
fn a_verdict_says_what_led_to_it() {
    let rules = rerouting();
    let texts = [Text::new(Scope::Title, "how to stop owl theft")];
    let told = rules.evaluate(&texts, Band::Ks3).explain(&texts, &rules);
    assert!(told.contains("rerouted   \"how to stop\" led here what would have been t.rule"), "{told}");
}
