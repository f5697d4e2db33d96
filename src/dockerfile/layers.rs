//! Leads from an image's layers back to the instructions that made them, by the image's history. Not for: what is in them.

use super::{Dockerfile, Instruction};
use crate::units::Bytes;

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

/// An entry of the history that can have made a layer.
#[derive(Clone, Copy)]
struct Entry<'d> {
    origin: LayerOrigin<'d>,
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
fn works(keyword: &str) -> bool {
    matches!(keyword, "RUN" | "COPY" | "ADD" | "WORKDIR")
}

/// The instruction's name in an entry of the history: `COPY src src # buildkit`, or with the classic builder
/// `/bin/sh -c #(nop) COPY file:0f… in /app`. What follows no such form is a command that was run.
fn keyword(created_by: &str) -> &str {
    const SILENT: [&str; 14] = [
        "ENV",
        "CMD",
        "ENTRYPOINT",
        "EXPOSE",
        "LABEL",
        "USER",
        "VOLUME",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "SHELL",
        "ARG",
        "MAINTAINER",
        "ONBUILD",
        "FROM",
    ];
    let text = created_by.split_once("#(nop)").map_or(created_by, |(_, text)| text);
    let word = text.split_whitespace().next().unwrap_or_default();
    if works(word) || SILENT.contains(&word) {
        word
    } else {
        "RUN"
    }
}

/// Whether an entry is that of `WORKDIR /`.
fn is_root(created_by: &str) -> bool {
    created_by.trim_end().ends_with("WORKDIR /")
}

pub(super) fn origins<'d>(
    dockerfile: &'d Dockerfile,
    target: Option<&str>,
    history: &[(&str, Bytes)],
    layers: usize,
    of_base: Option<usize>,
) -> Vec<LayerOrigin<'d>> {
    let own = instructions_of_image(dockerfile, target);
    let mut own = own.into_iter().filter(|it| works(&it.keyword)).rev();
    // The newest entries are the Dockerfile's; what is left when its instructions are used up came with the base.
    let mut entries = Vec::new();
    for (created_by, size) in history.iter().rev() {
        let keyword = keyword(created_by);
        if !works(keyword) {
            continue;
        }
        let origin = match own.next() {
            // The root is there: no builder makes a layer for it.
            Some(instruction) if instruction.keyword == keyword && is_root(created_by) => continue,
            Some(instruction) if instruction.keyword == keyword => LayerOrigin::Instruction(instruction),
            Some(_) => return vec![LayerOrigin::Unknown; layers],
            None => LayerOrigin::Base,
        };
        let sure = size.0 > 0;
        entries.push(Entry { origin, sure });
    }
    if own.next().is_some() {
        return vec![LayerOrigin::Unknown; layers];
    }
    entries.reverse();
    let Some(of_base) = of_base.filter(|of_base| *of_base <= layers) else {
        return assigned(&entries, layers);
    };
    entries.retain(|entry| entry.origin != LayerOrigin::Base);
    let mut origins = vec![LayerOrigin::Base; of_base];
    origins.extend(assigned(&entries, layers - of_base));
    origins
}

/// The origins of so many layers, out of these entries in this order. Where some of the unsure ones have no layer and it
/// can't be told which, neither can what lies between the first and the last of them.
fn assigned<'d>(entries: &[Entry<'d>], layers: usize) -> Vec<LayerOrigin<'d>> {
    let sure = entries.iter().filter(|entry| entry.sure).count();
    let unsure = entries.len() - sure;
    let Some(with_layer) = layers.checked_sub(sure).filter(|count| *count <= unsure) else {
        return vec![LayerOrigin::Unknown; layers];
    };
    // As far down as they can be, and as far up.
    let taking = |skip: usize| {
        let mut number = 0;
        let taken = entries.iter().enumerate().filter(move |(_, entry)| {
            number += usize::from(!entry.sure);
            entry.sure || (number > skip && number <= skip + with_layer)
        });
        taken.collect::<Vec<_>>()
    };
    let (low, high) = (taking(0), taking(unsure - with_layer));
    let agreed = low.into_iter().zip(high).map(|((low, entry), (high, other))| {
        if low == high || (entry.origin == LayerOrigin::Base && other.origin == LayerOrigin::Base) {
            entry.origin
        } else {
            LayerOrigin::Unknown
        }
    });
    agreed.collect()
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
        let origins = dockerfile.origins_of_layers(target, history, layers, of_base);
        let line = |origin: LayerOrigin<'_>| match origin {
            LayerOrigin::Base => 0,
            LayerOrigin::Instruction(instruction) => i64::from(instruction.first_line),
            LayerOrigin::Unknown => -1,
        };
        origins.into_iter().map(line).collect()
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
        let origins = |of_base| dockerfile.origins_of_layers(None, &history, 3, of_base);
        let own = LayerOrigin::Instruction(&dockerfile.instructions()[1]);
        assert_eq!(origins(None), [LayerOrigin::Base, LayerOrigin::Base, own]);
        assert_eq!(origins(Some(2)), [LayerOrigin::Base, LayerOrigin::Base, own]);
    }

    #[test]
    fn a_history_of_another_file_tells_nothing() {
        assert_eq!(lines(None, &BUILDKIT[..5], 4, None), [-1; 4]);
        assert_eq!(lines(None, &[], 2, Some(1)), [-1; 2]);
        let mut swapped = BUILDKIT;
        swapped.swap(7, 8);
        assert_eq!(lines(None, &swapped, 10, None), [-1; 10]);
        // More layers than it can have made.
        assert_eq!(lines(None, &BUILDKIT, 12, Some(1))[1..], [-1; 11]);
    }
}
