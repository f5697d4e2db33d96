//! Products of factors, their names and what excludes leave of them.

use super::*;

#[test]
fn wildcards_match_whole_names_and_brackets_mean_themselves() {
    for (pattern, text) in [
        ("uv-*", "uv-single"),
        ("*", ""),
        ("***", "anything"),
        ("?v-*-x", "uv-a-b-x"),
        ("uv-single[cache_mounts=off]", "uv-single[cache_mounts=off]"),
        ("*[cache_mounts=o*]", "uv-single[cache_mounts=on]"),
        ("", ""),
    ] {
        assert!(wildcard(pattern, text), "{pattern:?} {text:?}");
    }
    for (pattern, text) in [
        ("uv", "uv-single"),
        ("*-multi", "uv-single"),
        ("?", ""),
        ("", "x"),
        ("[u]v", "uv"),
    ] {
        assert!(!wildcard(pattern, text), "{pattern:?} {text:?}");
    }
}

/// Names of the combinations of factors, written as TOML; `idle` ones change nothing, and `drop` excludes.
fn names(factors: &str, idle: &[&str], drop: &[(&str, &str)]) -> Vec<String> {
    names_over(factors, idle, drop, [None, None])
}

/// As `names`, with the link of the network and, if there is one, the one from the command line.
fn names_over(factors: &str, idle: &[&str], drop: &[(&str, &str)], links: [Option<Link>; 2]) -> Vec<String> {
    let keys = drop.iter().map(|(factor, value)| format!("{factor} = {value:?}\n"));
    let drop_text: String = keys.collect();
    let source = |text: &str| Source {
        path: "x.toml".into(),
        text: text.to_owned(),
    };
    let table: FactorTable = toml::from_str(factors).unwrap();
    let axes = axes(
        &source(factors),
        &table,
        &Fixed {
            link: links[1],
            ..Fixed::default()
        },
    )
    .unwrap();
    let mut combinations = product(&axes);
    let dropped: Located<Table<Located<String>>> = toml::from_str(&drop_text).unwrap();
    let network = links[1].or(links[0]).unwrap_or_default();
    if !drop.is_empty() {
        let exclude = Exclude::new(&source(&drop_text), &dropped, &[], network).unwrap();
        combinations.retain(|combination| !exclude.drops("s", combination));
    }
    collapse(&combinations, idle)
        .into_iter()
        .map(|combined| combined.suffix)
        .collect()
}

const BOTH: &str = "builder = [\"buildkit\", \"classic\"]\ncache_mounts = [\"on\", \"off\"]\n";

#[test]
fn the_product_follows_the_order_of_the_file() {
    assert_eq!(
        names(BOTH, &[], &[]),
        [
            "[builder=buildkit,cache_mounts=on]",
            "[builder=buildkit,cache_mounts=off]",
            "[builder=classic,cache_mounts=on]",
            "[builder=classic,cache_mounts=off]",
        ]
    );
    let turned = "cache_mounts = [\"off\", \"on\"]\nbuilder = [\"classic\"]\n";
    assert_eq!(names(turned, &[], &[]), ["[cache_mounts=off]", "[cache_mounts=on]"]);
}

#[test]
fn factors_without_effect_or_choice_name_nothing() {
    assert_eq!(
        names(BOTH, &[CACHE_MOUNTS], &[]),
        ["[builder=buildkit]", "[builder=classic]"]
    );
    assert_eq!(names("cache_mounts = [\"on\", \"off\"]\n", &[CACHE_MOUNTS], &[]), [""]);
    assert_eq!(names("cache_mounts = [\"off\"]\n", &[], &[]), [""]);
    assert_eq!(names("", &[], &[]), [""]);
}

#[test]
fn a_factor_left_with_one_value_by_excludes_names_nothing() {
    assert_eq!(
        names(BOTH, &[], &[(BUILDER, "classic")]),
        ["[cache_mounts=on]", "[cache_mounts=off]"]
    );
    assert_eq!(
        names(BOTH, &[], &[(BUILDER, "classic"), (CACHE_MOUNTS, "on")]),
        [
            "[builder=buildkit,cache_mounts=on]",
            "[builder=buildkit,cache_mounts=off]",
            "[builder=classic,cache_mounts=off]"
        ]
    );
}

#[test]
fn an_exclude_counts_absent_factors_with_their_first_value() {
    assert!(names("cache_mounts = [\"on\"]\n", &[], &[(BUILDER, "buildkit")]).is_empty());
    assert_eq!(names("cache_mounts = [\"on\"]\n", &[], &[(BUILDER, "classic")]), [""]);
}

const LINKS: &str = "link = [\"0.1gbit , 20ms\", \"80ms\"]\ncache_mounts = [\"on\", \"off\"]\n";

#[test]
fn links_are_named_in_one_way_and_without_a_comma() {
    assert_eq!(
        names(LINKS, &[], &[(LINK, "80ms"), (CACHE_MOUNTS, "off")]),
        [
            "[link=100mbit+20ms,cache_mounts=on]",
            "[link=100mbit+20ms,cache_mounts=off]",
            "[link=80ms,cache_mounts=on]",
        ]
    );
    assert_eq!(
        names(LINKS, &[CACHE_MOUNTS], &[(LINK, "20ms,100000kbit")]),
        [""],
        "an exclude may write a link in another way"
    );
}

#[test]
fn an_exclude_counts_an_absent_link_with_the_network_s() {
    let over = |link: &str| [link.parse().ok(), None];
    let mounts = "cache_mounts = [\"on\"]\n";
    assert!(names_over(mounts, &[], &[(LINK, "80ms")], over("80ms")).is_empty());
    assert_eq!(names_over(mounts, &[], &[(LINK, "80ms")], over("81ms")), [""]);
    assert!(names(mounts, &[], &[(LINK, "unshaped")]).is_empty());
}

#[test]
fn a_link_from_the_command_line_takes_the_place_of_all_links() {
    let links = [None, "1gbit".parse().ok()];
    assert_eq!(
        names_over(LINKS, &[], &[], links),
        ["[cache_mounts=on]", "[cache_mounts=off]"]
    );
    assert_eq!(
        names_over(LINKS, &[], &[(LINK, "80ms")], links),
        ["[cache_mounts=on]", "[cache_mounts=off]"]
    );
}
