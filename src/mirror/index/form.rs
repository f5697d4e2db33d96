//! Which of a page's two forms a client gets.

/// The form of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// PEP 691.
    Json,
    /// PEP 503.
    Html,
}

/// What a client may call each form (PEP 691).
const JSON: [&str; 2] = [
    "application/vnd.pypi.simple.v1+json",
    "application/vnd.pypi.simple.latest+json",
];
const HTML: [&str; 3] = [
    "text/html",
    "application/vnd.pypi.simple.v1+html",
    "application/vnd.pypi.simple.latest+html",
];

impl Form {
    /// The form for a request with this `Accept` (RFC 9110, section 12.5.1): JSON if the client names it and likes it no
    /// less than HTML, or if it likes it better. HTML for all others, also for those who accept neither: it is what
    /// every client understands.
    #[must_use]
    pub fn negotiate(accept: Option<&str>) -> Self {
        let ranges: Vec<Range> = accept.unwrap_or_default().split(',').map(Range::parse).collect();
        let best = |types: &[&str]| types.iter().filter_map(|name| quality(&ranges, name)).max();
        let json = best(&JSON).filter(|liked| liked.quality > 0);
        let html = best(&HTML).filter(|liked| liked.quality > 0);
        match (json, html) {
            (Some(json), Some(html)) if json.quality > html.quality => Self::Json,
            (Some(json), Some(html)) if json.quality == html.quality && json.specific == NAMED => Self::Json,
            (Some(_), None) => Self::Json,
            _ => Self::Html,
        }
    }

    /// The `Content-Type` of a page in this form. HTML goes as `text/html`, as older clients know no other.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => JSON[0],
            Self::Html => HTML[0],
        }
    }
}

/// The specificity of a range that names the type, and neither `type/*` nor `*/*`.
const NAMED: u8 = 2;

/// How much a client likes a type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Liked {
    /// In thousandths.
    quality: u16,
    specific: u8,
}

/// One media range of an `Accept`.
struct Range {
    name: String,
    quality: u16,
}

impl Range {
    fn parse(range: &str) -> Self {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let mut named = parts.filter_map(|part| part.split_once('='));
        let quality = named.find(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
        Self {
            name,
            quality: quality.map_or(1000, |(_, value)| thousandths(value.trim())),
        }
    }

    fn specificity(&self, name: &str) -> Option<u8> {
        if self.name == name {
            return Some(NAMED);
        }
        match self.name.strip_suffix("/*") {
            Some("*") => Some(0),
            Some(main) => (name.split('/').next() == Some(main)).then_some(1),
            None => None,
        }
    }
}

/// What the most specific range says of a type; `None` if none does.
fn quality(ranges: &[Range], name: &str) -> Option<Liked> {
    let matching = ranges.iter().filter_map(|range| {
        Some(Liked {
            specific: range.specificity(name)?,
            quality: range.quality,
        })
    });
    matching.max_by_key(|liked| liked.specific)
}

/// A quality from 0 to 1 in thousandths; one that can't be read is 0, so that it wins nothing.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range first"
)]
fn thousandths(quality: &str) -> u16 {
    quality
        .parse::<f64>()
        .map_or(0, |quality| (quality.clamp(0.0, 1.0) * 1000.0).round() as u16)
}
