//! A page's HTML form (PEP 503), read and written.

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{StartTag, Token, Tokenizer};
use maud::{DOCTYPE, html};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use url::Url;

use super::{Page, file};

/// Where HTML's `<meta name="pypi:…">` stand in the JSON's `meta` (PEP 708): a list of URLs each.
const TRACKS: &str = "tracks";
/// As [`TRACKS`], but at the top of the JSON.
const ALTERNATES: &str = "alternate-locations";

/// A link as it stands in the page.
struct Anchor {
    href: String,
    text: String,
    requires_python: Option<String>,
    core_metadata: Option<String>,
    dist_info_metadata: Option<String>,
    yanked: Option<String>,
    gpg_sig: Option<String>,
}

/// Reads a page. Broken HTML is no error: what a browser would take for a link is one.
pub(super) fn read(body: &[u8], base: &Url) -> Page {
    let mut anchors: Vec<Anchor> = Vec::new();
    let mut in_anchor = false;
    let mut joined_to = None;
    let mut version = None;
    let mut lists: Map<String, Value> = Map::new();
    let mut emitter = DefaultEmitter::default();
    // The content of scripts and comments is no markup.
    emitter.naively_switch_states(true);
    for Ok(token) in Tokenizer::new_with_emitter(body, emitter) {
        match token {
            Token::StartTag(tag) if tag.name.as_slice() == b"a" => {
                in_anchor = false;
                if let Some(anchor) = Anchor::of(&tag) {
                    in_anchor = true;
                    anchors.push(anchor);
                }
            }
            Token::EndTag(tag) if tag.name.as_slice() == b"a" => in_anchor = false,
            Token::String(text) if in_anchor => {
                if let Some(anchor) = anchors.last_mut() {
                    anchor.text.push_str(&String::from_utf8_lossy(&text));
                }
            }
            // The first counts, for all links.
            Token::StartTag(tag) if tag.name.as_slice() == b"base" && joined_to.is_none() => {
                joined_to = attribute(&tag, "href").and_then(|href| file::join(base, &href));
            }
            Token::StartTag(tag) if tag.name.as_slice() == b"meta" => {
                let content = attribute(&tag, "content").unwrap_or_default();
                match attribute(&tag, "name")
                    .as_deref()
                    .and_then(|name| name.strip_prefix("pypi:"))
                {
                    Some("repository-version") => version = Some(content),
                    Some(name @ (TRACKS | ALTERNATES)) => {
                        let list = lists.entry(name).or_insert_with(|| json!([]));
                        list.as_array_mut()
                            .into_iter()
                            .for_each(|list| list.push(content.clone().into()));
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
    let mut head = Map::new();
    head.extend(lists.remove(ALTERNATES).map(|list| (ALTERNATES.to_owned(), list)));
    let mut meta = lists;
    meta.extend(version.map(|version| ("api-version".to_owned(), Value::String(version))));
    head.insert("meta".into(), Value::Object(meta));
    let joined_to = joined_to.as_ref().unwrap_or(base);
    let files = anchors.into_iter().filter_map(|anchor| anchor.into_file(joined_to));
    Page {
        files: files.collect(),
        head,
    }
}

impl Anchor {
    fn of(tag: &StartTag<()>) -> Option<Self> {
        Some(Self {
            href: attribute(tag, "href")?,
            text: String::new(),
            requires_python: attribute(tag, "data-requires-python"),
            core_metadata: attribute(tag, "data-core-metadata"),
            dist_info_metadata: attribute(tag, "data-dist-info-metadata"),
            yanked: attribute(tag, "data-yanked"),
            gpg_sig: attribute(tag, "data-gpg-sig"),
        })
    }

    /// The file behind the link. Its name is the last part of the URL, which is what pip goes by; the text must say the
    /// same (PEP 503), and is taken only if the URL has no such part.
    fn into_file(self, base: &Url) -> Option<Map<String, Value>> {
        let url = file::join(base, &self.href)?;
        let last = url
            .path_segments()
            .and_then(|mut parts| parts.next_back())
            .unwrap_or_default();
        let filename = match percent_decode_str(last).decode_utf8_lossy() {
            name if name.is_empty() => self.text.trim().to_owned(),
            name => name.into_owned(),
        };
        let mut file = Map::new();
        file.insert("filename".into(), filename.into());
        file.insert("url".into(), Value::String(url.into()));
        let fields = [
            ("requires-python", self.requires_python.map(Value::String)),
            ("core-metadata", self.core_metadata.as_deref().and_then(metadata_claim)),
            (
                "dist-info-metadata",
                self.dist_info_metadata.as_deref().and_then(metadata_claim),
            ),
            // The attribute alone says it; a text in it is the reason (PEP 592).
            (
                "yanked",
                self.yanked
                    .map(|reason| if reason.is_empty() { true.into() } else { reason.into() }),
            ),
            (
                "gpg-sig",
                self.gpg_sig.map(|sig| Value::Bool(sig.eq_ignore_ascii_case("true"))),
            ),
        ];
        file.extend(
            fields
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?))),
        );
        file::tidy(&mut file, base).then_some(file)
    }
}

/// An attribute's value, its entities resolved.
fn attribute(tag: &StartTag<()>, name: &str) -> Option<String> {
    tag.attributes
        .get(name.as_bytes())
        .map(|value| String::from_utf8_lossy(value).into_owned())
}

/// What PEP 658 has in an attribute, `true` or `sha256=…`, as PEP 691 has it in JSON.
fn metadata_claim(text: &str) -> Option<Value> {
    if text.eq_ignore_ascii_case("true") {
        return Some(Value::Bool(true));
    }
    let (name, hash) = text.split_once('=')?;
    Some(json!({ name: hash }))
}

/// Writes a page.
pub(super) fn write(page: &Page, rewrite: impl Fn(&str) -> String) -> String {
    let head = &page.head;
    let name = file::text(head, "name").unwrap_or_default();
    let lists = [
        (TRACKS, head.get("meta").and_then(|meta| meta.get(TRACKS))),
        (ALTERNATES, head.get(ALTERNATES)),
    ];
    let lists = lists
        .iter()
        .flat_map(|(name, list)| texts(*list).map(move |text| (name, text)));
    let markup = html! {
        (DOCTYPE)
        html {
            head {
                meta charset="utf-8";
                meta name="pypi:repository-version" content="1.0";
                @for (name, text) in lists {
                    meta name={ "pypi:" (name) } content=(text);
                }
                title { "Links for " (name) }
            }
            body {
                h1 { "Links for " (name) }
                @for file in &page.files {
                    a href={ (rewrite(file::text(file, "url").unwrap_or_default())) (fragment(file)) }
                        data-requires-python=[file::text(file, "requires-python")]
                        data-core-metadata=[metadata_text(file)]
                        data-dist-info-metadata=[metadata_text(file)]
                        data-yanked=[yanked_text(file)]
                        data-gpg-sig=[file.get("gpg-sig").and_then(Value::as_bool)] {
                        (file::text(file, "filename").unwrap_or_default())
                    }
                    br;
                    "\n"
                }
            }
        }
    };
    markup.into_string()
}

/// The texts in a list, if it is one.
fn texts(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// The best hash as a URL's fragment, with its `#`; empty if there is none.
fn fragment(file: &Map<String, Value>) -> String {
    let hash = |name: &&str| Some(format!("#{name}={}", file.get("hashes")?.get(*name)?.as_str()?));
    file::HASHES.iter().find_map(hash).unwrap_or_default()
}

fn metadata_text(file: &Map<String, Value>) -> Option<String> {
    match file.get("core-metadata")? {
        Value::Bool(claim) => claim.then(|| "true".to_owned()),
        Value::Object(hashes) => {
            let hash = hashes.get("sha256").and_then(Value::as_str);
            Some(hash.map_or_else(|| "true".to_owned(), |hash| format!("sha256={hash}")))
        }
        _ => None,
    }
}

fn yanked_text(file: &Map<String, Value>) -> Option<&str> {
    match file.get("yanked")? {
        Value::Bool(true) => Some(""),
        Value::String(reason) if !reason.is_empty() => Some(reason),
        _ => None,
    }
}
