//! Leads from an image's layers back to the instructions that made them, by the image's history. Not for: what is in them.

use super::parse::KEYWORDS;
use super::{Dockerfile, Instruction};
use crate::units::Bytes;

/// A layer of an image, traced back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TracedLayer<'d> {
    /// What made it.
    pub origin: LayerOrigin<'d>,
    /// Its uncompressed size; `None` if the history does not lead to it.
    pub size: Option<Bytes>,
}

/// What made a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerOrigin<'d> {
    /// It came with the base image.
    Base,
    /// This instruction.
    Instruction(&'d Instruction),
    /// What the engine tells leaves several possibilities.
    Unknown,
}

/// What an image was built on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ground {
    /// How many layers it has: the lowest of the image's.
    pub layers: usize,
    /// How many entries its history has: the oldest of the image's.
    pub entries: usize,
}

/// An entry of the history that can have made a layer.
#[derive(Clone, Copy)]
struct Entry<'d> {
    origin: LayerOrigin<'d>,
    /// Of its layer, if it made one.
    size: Bytes,
    /// Whether it must have: engines don't tell which entries have a layer, only how big that is, and one that holds
    /// nothing but folders counts as empty.
    sure: bool,
}

pub(super) fn instructions_of_image<'d>(dockerfile: &'d Dockerfile, target: Option<&str>) -> Vec<&'d Instruction> {
    let stages = &dockerfile.stages;
    let named = |name: &str, before: usize| {
        let is_named = |stage: &super::Stage| stage.name.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(name));
        stages[..before].iter().rposition(is_named)
    };
    let of_target = |target: &str| named(target, stages.len()).or_else(|| target.parse().ok());
    let mut next = target.map_or(stages.len().checked_sub(1), of_target);
    let mut chain = Vec::new();
    while let Some(number) = next.filter(|number| *number < stages.len()) {
        chain.push(number);
        next = named(&stages[number].base, number);
    }
    let of_stage = |number: usize| {
        dockerfile
            .instructions
            .iter()
            .filter(move |it| it.stage == Some(number))
    };
    chain.into_iter().rev().flat_map(of_stage).collect()
}

/// Whether an instruction of this name can make a layer.
pub(super) fn works(keyword: &str) -> bool {
    matches!(keyword, "RUN" | "COPY" | "ADD" | "WORKDIR")
}

/// The instruction's name in an entry of the history, and whether BuildKit wrote it: `COPY src src # buildkit`, where the
/// classic builder writes `/bin/sh -c #(nop) COPY file:0f… in /app`. What follows no such form is a command that was run.
fn keyword(created_by: &str) -> (&str, bool) {
    let after_mark = created_by.split_once("#(nop)").map(|(_, text)| text);
    let word = after_mark.unwrap_or(created_by).split_whitespace().next();
    match word.filter(|word| KEYWORDS.contains(word)) {
        Some(word) => (word, after_mark.is_none()),
        None => ("RUN", false),
    }
}

pub(super) fn of_image<'d>(
    dockerfile: &'d Dockerfile,
    target: Option<&str>,
    history: &[(&str, Bytes)],
    layers: usize,
    ground: Option<Ground>,
) -> Vec<TracedLayer<'d>> {
    let below = ground.map_or(0, |ground| ground.layers.min(layers));
    let of_ground = ground.map_or(0, |ground| ground.entries.min(history.len()));
    let (of_ground, above) = history.split_at(of_ground);
    let base = assigned(&of_base(of_ground), below);
    // Engines deal sizes out from the lowest layer up: if the base's don't come out even, those above are of other layers.
    let own = base.as_ref().and_then(|_| {
        let (own, rest) = of_instructions(dockerfile, target, above)?;
        // Without a ground, what is left when the Dockerfile's instructions are used up came with the base.
        let rest = of_base(rest);
        let is_whole = ground.is_none() || rest.is_empty();
        is_whole.then(|| assigned(&[rest, own].concat(), layers - below))?
    });
    let untold = |origin, count| vec![TracedLayer { origin, size: None }; count];
    let mut traced = base.unwrap_or_else(|| untold(LayerOrigin::Base, below));
    traced.extend(own.unwrap_or_else(|| untold(LayerOrigin::Unknown, layers - below)));
    traced
}

/// The entries that can have made a layer of a base. Any tool may have made that, and not all have the same words.
fn of_base<'d>(history: &[(&str, Bytes)]) -> Vec<Entry<'d>> {
    let entry = |&(created_by, size): &(&str, Bytes)| {
        let sure = size.0 > 0;
        let origin = LayerOrigin::Base;
        (sure || works(keyword(created_by).0)).then_some(Entry { origin, size, sure })
    };
    history.iter().filter_map(entry).collect()
}

/// Entries that can have made layers, and the older part of the history that they left.
type Split<'d, 'h> = (Vec<Entry<'d>>, &'h [(&'h str, Bytes)]);

/// The entries that can have made the Dockerfile's layers, which are the newest, and what is left of the history; `None` if
/// they are not those of its instructions.
fn of_instructions<'d, 'h>(
    dockerfile: &'d Dockerfile,
    target: Option<&str>,
    history: &'h [(&'h str, Bytes)],
) -> Option<Split<'d, 'h>> {
    let mut instructions = instructions_of_image(dockerfile, target);
    instructions.retain(|it| it.can_make_layer());
    let mut rest = history;
    let mut entries = Vec::new();
    while let Some(&instruction) = instructions.last() {
        let (&(created_by, size), older) = rest.split_last()?;
        rest = older;
        let (keyword, by_buildkit) = keyword(created_by);
        if works(keyword) {
            instructions.pop().filter(|it| it.keyword == keyword)?;
        }
        // The root is there: no builder makes a layer for it. BuildKit makes one for all else, even where nothing changed.
        let is_root = keyword == "WORKDIR" && created_by.trim_end().ends_with("WORKDIR /");
        if works(keyword) && !is_root {
            let origin = LayerOrigin::Instruction(instruction);
            let sure = by_buildkit || size.0 > 0;
            entries.push(Entry { origin, size, sure });
        } else if size.0 > 0 {
            // That is another layer's.
            return None;
        }
    }
    entries.reverse();
    Some((entries, rest))
}

/// So many layers, made by these entries in this order; `None` if they can't have made as many. Where some of the unsure ones
/// have no layer and it can't be told which, neither can what lies between the first and the last of them.
fn assigned<'d>(entries: &[Entry<'d>], layers: usize) -> Option<Vec<TracedLayer<'d>>> {
    let sure = entries.iter().filter(|entry| entry.sure).count();
    let unsure = entries.len() - sure;
    let with_layer = layers.checked_sub(sure).filter(|count| *count <= unsure)?;
    // As far down as they can be, and as far up.
    let taking = |skip: usize| {
        let mut number = 0;
        let taken = entries.iter().enumerate().filter(move |(_, entry)| {
            number += usize::from(!entry.sure);
            entry.sure || (number > skip && number <= skip + with_layer)
        });
        taken.map(|(at, _)| at)
    };
    let agreed = taking(0).zip(taking(unsure - with_layer)).map(|(low, high)| {
        let (first, others) = (&entries[low], &entries[low..=high]);
        let is_one = others.iter().all(|other| other.origin == first.origin);
        let is_even = others.iter().all(|other| other.size == first.size);
        TracedLayer {
            origin: if is_one { first.origin } else { LayerOrigin::Unknown },
            size: is_even.then_some(first.size),
        }
    });
    Some(agreed.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "ARG PY=base\nFROM ${PY} AS builder\nRUN make heavy\nFROM ${PY} AS Mid\nENV X=1\nWORKDIR /app\n\
                        RUN true\nCOPY --from=builder /packages/heavy /heavy\nFROM mid\nARG Q=3\nWORKDIR /app\n\
                        RUN --mount=type=cache,target=/c echo one > /one\nCOPY empty /empty\nCOPY a /\nADD a /added\n\
                        WORKDIR /\nRUN [\"touch\", \"/x\"]\nCMD [\"sh\"]\n";

    /// What Docker Engine 20.10 says of an image of that file that BuildKit built: ten layers, with the base's one.
    const BUILDKIT: [(&str, Bytes); 15] = [
        ("", Bytes(110_551_378)),
        ("ENV X=1", Bytes(0)),
        ("WORKDIR /app", Bytes(0)),
        ("RUN /bin/sh -c true # buildkit", Bytes(0)),
        ("COPY /packages/heavy /heavy # buildkit", Bytes(200_000)),
        ("ARG Q=3", Bytes(0)),
        ("WORKDIR /app", Bytes(0)),
        ("RUN |1 Q=3 /bin/sh -c echo one > /one # buildkit", Bytes(4)),
        ("COPY empty /empty # buildkit", Bytes(0)),
        ("COPY a / # buildkit", Bytes(3)),
        ("ADD a /added # buildkit", Bytes(3)),
        ("WORKDIR /", Bytes(0)),
        ("RUN |1 Q=3 touch /x # buildkit", Bytes(0)),
        ("CMD [\"sh\"]", Bytes(0)),
        ("LABEL l=1", Bytes(0)),
    ];

    /// The lines of the instructions; 0 is the base, -1 unknown.
    fn lines(target: Option<&str>, history: &[(&str, Bytes)], layers: usize, of_base: Option<usize>) -> Vec<i64> {
        let dockerfile = Dockerfile::parse(TEXT).expect("valid");
        let ground = of_base.map(|count| Ground {
            layers: count,
            entries: count,
        });
        let traced = dockerfile.layers_of_image(target, history, layers, ground);
        traced.iter().map(line).collect()
    }

    fn line(layer: &TracedLayer<'_>) -> i64 {
        match layer.origin {
            LayerOrigin::Base => 0,
            LayerOrigin::Instruction(instruction) => i64::from(instruction.first_line),
            LayerOrigin::Unknown => -1,
        }
    }

    /// A base with a layer of its own and bakeoff's.
    const BASE: [(&str, Bytes); 4] = [
        ("", Bytes(111_000_000)),
        ("/bin/sh -c #(nop)  CMD [\"python3\"]", Bytes(0)),
        ("/bin/sh -c #(nop) COPY dir:4f1c in / ", Bytes(200)),
        ("/bin/sh -c #(nop)  ENV SSL_CERT_FILE=/x", Bytes(0)),
    ];

    /// The lines and the sizes of the layers that a Dockerfile made on that base.
    fn own(text: &str, target: Option<&str>, history: &[(&str, Bytes)], layers: usize) -> Vec<(i64, Option<u64>)> {
        let dockerfile = Dockerfile::parse(text).expect("valid");
        let ground = Ground {
            layers: 2,
            entries: BASE.len(),
        };
        let history = [&BASE, history].concat();
        let traced = dockerfile.layers_of_image(target, &history, layers + 2, Some(ground));
        let told = |layer: &TracedLayer<'_>| (line(layer), layer.size.map(|size| size.0));
        let told: Vec<_> = traced.iter().map(told).collect();
        assert_eq!(told[..2], [(0, Some(111_000_000)), (0, Some(200))]);
        told[2..].to_vec()
    }

    #[test]
    fn layers_of_buildkit_lead_to_their_lines() {
        let expected = [0, 6, 7, 8, 11, 12, 13, 14, 15, 17];
        assert_eq!(lines(None, &BUILDKIT, 10, None), expected);
        assert_eq!(lines(None, &BUILDKIT, 10, Some(1)), expected);
    }

    #[test]
    fn a_target_is_a_stage_by_name_or_number() {
        for target in ["mid", "MID", "1"] {
            assert_eq!(
                lines(Some(target), &BUILDKIT[..5], 4, Some(1)),
                [0, 6, 7, 8],
                "{target}"
            );
        }
    }

    #[test]
    fn what_a_classic_builder_left_out_is_unknown_only_where_it_can_be() {
        // No layer for `RUN true`, the second `WORKDIR /app` and `WORKDIR /`; one for the empty file.
        let history = [
            ("", Bytes(110_551_378)),
            ("/bin/sh -c #(nop)  ENV X=1", Bytes(0)),
            ("/bin/sh -c #(nop) WORKDIR /app", Bytes(0)),
            ("/bin/sh -c true", Bytes(0)),
            ("/bin/sh -c #(nop) COPY dir:dd96 in /heavy ", Bytes(200_000)),
            ("/bin/sh -c #(nop)  ARG Q=3", Bytes(0)),
            ("/bin/sh -c #(nop) WORKDIR /app", Bytes(0)),
            ("|1 Q=3 /bin/sh -c echo one > /one", Bytes(4)),
            ("/bin/sh -c #(nop) COPY file:44bc in /empty ", Bytes(0)),
            ("/bin/sh -c #(nop) COPY file:44fd in / ", Bytes(3)),
            ("/bin/sh -c #(nop) ADD file:44fd in /added ", Bytes(3)),
            ("/bin/sh -c #(nop) WORKDIR /", Bytes(0)),
            ("|1 Q=3 touch /x", Bytes(0)),
            ("/bin/sh -c #(nop)  CMD [\"sh\"]", Bytes(0)),
            ("/bin/sh -c #(nop)  LABEL l=1", Bytes(0)),
        ];
        // Three of the five small ones have a layer: nothing below the last of them is sure but what must be.
        let found = lines(None, &history, 8, Some(1));
        assert_eq!(found, [0, -1, -1, -1, -1, -1, -1, -1]);
        // All of them have one.
        assert_eq!(lines(None, &history, 10, Some(1)), [0, 6, 7, 8, 11, 12, 13, 14, 15, 17]);
        // None has.
        assert_eq!(lines(None, &history, 5, Some(1)), [0, 8, 12, 14, 15]);
    }

    #[test]
    fn doubt_about_the_base_is_no_doubt_about_what_is_built_on_it() {
        let dockerfile = Dockerfile::parse("FROM base\nCOPY a b\n").expect("valid");
        let history = [
            ("/bin/sh -c #(nop) ADD file:1 in / ", Bytes(9)),
            ("/bin/sh -c mkdir /x", Bytes(0)),
            ("RUN /bin/sh -c true # buildkit", Bytes(0)),
            ("COPY a b # buildkit", Bytes(1)),
        ];
        let layer = |origin, size| TracedLayer {
            origin,
            size: Some(Bytes(size)),
        };
        let own = LayerOrigin::Instruction(&dockerfile.instructions()[1]);
        // Which of two made the second is open, its size is not.
        let expected = [layer(LayerOrigin::Base, 9), layer(LayerOrigin::Base, 0), layer(own, 1)];
        assert_eq!(dockerfile.layers_of_image(None, &history, 3, None), expected);
        let ground = Ground { layers: 2, entries: 3 };
        assert_eq!(dockerfile.layers_of_image(None, &history, 3, Some(ground)), expected);
    }

    #[test]
    fn a_history_of_another_file_tells_nothing() {
        assert_eq!(lines(None, &BUILDKIT[..5], 4, None), [-1; 4]);
        assert_eq!(lines(None, &[], 2, Some(1)), [0, -1]);
        let mut swapped = BUILDKIT;
        swapped.swap(7, 8);
        assert_eq!(lines(None, &swapped, 10, None), [-1; 10]);
        // More layers than it can have made.
        assert_eq!(lines(None, &BUILDKIT, 12, Some(1))[1..], [-1; 11]);
    }

    #[test]
    fn a_stage_that_another_one_starts_from_comes_first() {
        let text = "FROM a AS base\nWORKDIR /app\nFROM a AS other\nRUN other\nFROM base\nENV X=1\n\
                    RUN --mount=type=cache,target=/c echo $X \\\n  && true\nCOPY --from=other /x /x\nCMD [\"x\"]\n";
        let history = [
            ("WORKDIR /app", Bytes(0)),
            ("ENV X=1", Bytes(0)),
            (
                "RUN |1 SECRET=hunter2 /bin/sh -c echo $X   && true # buildkit",
                Bytes(50),
            ),
            ("COPY /x /x # buildkit", Bytes(7)),
            ("CMD [\"x\"]", Bytes(0)),
        ];
        let wanted = [(2, Some(0)), (7, Some(50)), (9, Some(7))];
        assert_eq!(own(text, None, &history, 3), wanted);
        assert_eq!(own(text, Some("base"), &history[..1], 1), wanted[..1]);
        // That the base is a stage, an argument hides: what is above the base must all be the Dockerfile's.
        let hidden = "ARG B=base\nFROM a AS base\nWORKDIR /app\nFROM ${B}\nCOPY x /x\nRUN true\n";
        let history = [
            ("/bin/sh -c #(nop) WORKDIR /app", Bytes(0)),
            ("/bin/sh -c #(nop) COPY file:77 in /x ", Bytes(5)),
            ("/bin/sh -c true", Bytes(0)),
        ];
        assert_eq!(own(hidden, None, &history, 2), [(-1, None); 2]);
    }

    #[test]
    fn layers_of_the_classic_builder_lead_to_their_lines() {
        let text = "FROM a\nWORKDIR /\nRUN true\nRUN make\nARG V\nRUN make install\nCOPY x /x\n";
        // Nothing changed in the first two, so they made no layer.
        let history = [
            ("/bin/sh -c #(nop) WORKDIR /", Bytes(0)),
            ("/bin/sh -c true", Bytes(0)),
            ("/bin/sh -c make", Bytes(10)),
            ("/bin/sh -c #(nop)  ARG V", Bytes(0)),
            ("|1 V=2 /bin/sh -c make install", Bytes(20)),
            ("/bin/sh -c #(nop) COPY file:77 in /x ", Bytes(5)),
            ("/bin/sh -c #(nop)  LABEL dev.bakeoff.run=1", Bytes(0)),
        ];
        let wanted = [(4, Some(10)), (6, Some(20)), (7, Some(5))];
        assert_eq!(own(text, None, &history, 3), wanted);
    }

    #[test]
    fn what_can_not_be_told_is_not_guessed() {
        let history = [("RUN a # buildkit", Bytes(1)), ("RUN b # buildkit", Bytes(2))];
        assert_eq!(own("FROM a\nRUN a\nRUN b\n", None, &history, 3), [(-1, None); 3]);
        assert_eq!(own("FROM a\nRUN a\n", None, &history, 2), [(-1, None); 2]);
        // BuildKit makes a layer even where nothing changed, so both must have one.
        let history = [("WORKDIR /app", Bytes(0)), ("RUN true # buildkit", Bytes(0))];
        assert_eq!(own("FROM a\nWORKDIR /app\nRUN true\n", None, &history, 1), [(-1, None)]);
        // Which of the two made a layer is open, and with it where the one between them lies.
        let history = [
            ("/bin/sh -c #(nop) WORKDIR /app", Bytes(0)),
            ("/bin/sh -c make", Bytes(5)),
            ("/bin/sh -c true", Bytes(0)),
        ];
        assert_eq!(
            own("FROM a\nWORKDIR /app\nRUN make\nRUN true\n", None, &history, 2),
            [(-1, None); 2]
        );
        // What has no layer has no size.
        let history = [("ENV X=1", Bytes(7)), ("RUN a # buildkit", Bytes(1))];
        assert_eq!(own("FROM a\nENV X=1\nRUN a\n", None, &history, 1), [(-1, None)]);
    }

    #[test]
    fn without_a_base_all_is_the_dockerfile_s() {
        let dockerfile = Dockerfile::parse("FROM scratch\nCOPY x /\n").expect("valid");
        let history = [("COPY x / # buildkit", Bytes(9))];
        let traced = dockerfile.layers_of_image(None, &history, 1, None);
        assert_eq!((line(&traced[0]), traced[0].size), (2, Some(Bytes(9))));
    }

    #[test]
    fn of_a_base_whose_history_does_not_fit_nothing_is_known_but_that_it_is_the_base() {
        let dockerfile = Dockerfile::parse("FROM a\nRUN a\n").expect("valid");
        let history = [&BASE[..], &[("/bin/sh -c a", Bytes(5))]].concat();
        let ground = Ground { layers: 3, entries: 4 };
        let traced = dockerfile.layers_of_image(None, &history, 4, Some(ground));
        assert_eq!(traced.iter().map(line).collect::<Vec<_>>(), [0, 0, 0, -1]);
        assert!(traced.iter().all(|layer| layer.size.is_none()));
    }
}
