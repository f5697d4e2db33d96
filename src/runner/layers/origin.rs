//! Leads from an image's layers back to the instructions that made them, by the engine's history of the image. That does not
//! say which of its entries made a layer, so it is told by their instructions, their sizes and their number. Not for: asking
//! an engine.

use crate::dockerfile::{Dockerfile, Instruction};
use crate::engine::HistoryEntry;
use crate::runner::event::LayerOrigin;
use crate::units::Bytes;

/// What an image was built on: the trial's base.
pub(super) struct Ground {
    /// How many layers it has; the last one is bakeoff's.
    pub layers: usize,
    /// Its history, oldest first.
    pub history: Vec<HistoryEntry>,
}

/// Instructions that make a layer.
const MAKE: [&str; 4] = ["RUN", "COPY", "ADD", "WORKDIR"];
/// All others.
const MAKE_NONE: [&str; 14] = [
    "ARG",
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
];

/// Where each layer of an image comes from, and its uncompressed size.
pub(super) fn of_layers(
    layers: &[String],
    history: &[HistoryEntry],
    ground: Option<&Ground>,
    dockerfile: &Dockerfile,
    target: Option<&str>,
) -> Vec<(LayerOrigin, Option<Bytes>)> {
    let below = ground.map_or(0, |ground| ground.layers);
    let base = ground.map_or(&[][..], |ground| ground.history.as_slice());
    let mut told: Vec<(LayerOrigin, Option<Bytes>)> = sizes_of_base(base, below)
        .into_iter()
        .enumerate()
        .map(|(number, size)| {
            let is_mark = number + 1 == below;
            (if is_mark { LayerOrigin::Mark } else { LayerOrigin::Base }, size)
        })
        .collect();
    let own = layers.len().saturating_sub(below);
    match entries_of_layers(history.get(base.len()..).unwrap_or_default(), own) {
        Some(entries) => {
            let lines = lines(&entries, &instructions(dockerfile, target));
            told.extend(entries.iter().zip(lines).map(|(entry, line)| {
                let size = Some(entry.size);
                (LayerOrigin::Dockerfile { line }, size)
            }));
        }
        None => told.extend((0..own).map(|_| (LayerOrigin::Dockerfile { line: None }, None))),
    }
    told
}

/// A base's instructions are of no interest; its entries with a size are its layers if there are as many.
fn sizes_of_base(history: &[HistoryEntry], layers: usize) -> Vec<Option<Bytes>> {
    let with_size: Vec<_> = history.iter().filter(|entry| entry.size.0 > 0).collect();
    if with_size.len() == layers {
        with_size.into_iter().map(|entry| Some(entry.size)).collect()
    } else {
        vec![None; layers]
    }
}

/// The entries that made so many layers; `None` if they can't be told from the others.
fn entries_of_layers(history: &[HistoryEntry], layers: usize) -> Option<Vec<&HistoryEntry>> {
    let mut entries: Vec<&HistoryEntry> = history
        .iter()
        .filter(|entry| MAKE.contains(&keyword(&entry.created_by)))
        .collect();
    // The classic builder makes no layer where nothing changed, and BuildKit none for a WORKDIR that is the root.
    for word in ["WORKDIR", "RUN", "COPY", "ADD"] {
        while entries.len() > layers {
            let is_empty = |entry: &&HistoryEntry| entry.size.0 == 0 && keyword(&entry.created_by) == word;
            let Some(at) = entries.iter().position(is_empty) else {
                break;
            };
            entries.remove(at);
        }
    }
    (entries.len() == layers).then_some(entries)
}

/// The instruction's keyword: BuildKit writes it at the beginning; the classic builder behind a comment of its own, but for
/// RUN, of which it writes the command.
fn keyword(created_by: &str) -> &str {
    let text = created_by.split_once("#(nop)").map_or(created_by, |(_, text)| text);
    let word = text.split_whitespace().next().unwrap_or_default();
    if MAKE.contains(&word) || MAKE_NONE.contains(&word) {
        word
    } else {
        "RUN"
    }
}

/// The instructions that may make layers of the image, in the order in which they do: those of its stage and of the stages
/// that it starts from.
fn instructions<'d>(dockerfile: &'d Dockerfile, target: Option<&str>) -> Vec<&'d Instruction> {
    let stages = dockerfile.stages();
    let named = |name: &str, before: usize| {
        let name = name.to_lowercase();
        stages[..before]
            .iter()
            .rposition(|stage| stage.name.as_ref() == Some(&name))
    };
    let target = target.and_then(|target| {
        let number = target.parse().ok().filter(|number| *number < stages.len());
        named(target, stages.len()).or(number)
    });
    let mut stage = target.or(stages.len().checked_sub(1));
    let mut parts = Vec::new();
    while let Some(number) = stage {
        let own = dockerfile
            .instructions()
            .iter()
            .filter(move |it| it.stage == Some(number));
        parts.push(own.filter(|it| MAKE.contains(&it.keyword.as_str())));
        stage = named(&stages[number].base, number);
    }
    parts.into_iter().rev().flatten().collect()
}

/// The line of each entry's instruction. As a rule every instruction has its entry; where some have none, the words decide.
fn lines(entries: &[&HistoryEntry], instructions: &[&Instruction]) -> Vec<Option<u32>> {
    let fits = |entry: &HistoryEntry, it: &Instruction| keyword(&entry.created_by) == it.keyword;
    let is_whole = entries.len() == instructions.len();
    if is_whole && entries.iter().zip(instructions).all(|(entry, it)| fits(entry, it)) {
        return instructions.iter().map(|it| Some(it.first_line)).collect();
    }
    let mut rest = instructions;
    let line = |entry: &&HistoryEntry| {
        let mut fitting = rest.iter().enumerate().filter(|(_, it)| fits(entry, it));
        let same = fitting
            .clone()
            .find(|(_, it)| has_words(&entry.created_by, &it.arguments));
        let (at, found) = same.or_else(|| fitting.next())?;
        let line = found.first_line;
        rest = &rest[at + 1..];
        Some(line)
    };
    entries.iter().map(line).collect()
}

/// Whether a builder's words for an instruction hold those of the Dockerfile, its flags left out.
fn has_words(created_by: &str, arguments: &str) -> bool {
    let joined = |text: &mut dyn Iterator<Item = &str>| text.collect::<Vec<_>>().join(" ");
    let words = joined(&mut arguments.split_whitespace().skip_while(|word| word.starts_with("--")));
    !words.is_empty() && joined(&mut created_by.split_whitespace()).contains(&words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(entries: &[(&str, u64)]) -> Vec<HistoryEntry> {
        let entry = |(created_by, size): &(&str, u64)| HistoryEntry {
            created_by: (*created_by).to_owned(),
            size: Bytes(*size),
        };
        entries.iter().map(entry).collect()
    }

    const BASE: [(&str, u64); 4] = [
        ("", 111_000_000),
        ("/bin/sh -c #(nop)  CMD [\"python3\"]", 0),
        ("/bin/sh -c #(nop) COPY dir:4f1c in / ", 200),
        ("/bin/sh -c #(nop)  ENV SSL_CERT_FILE=/x", 0),
    ];

    /// What each layer of the Dockerfile comes from, after a base with a layer of its own and bakeoff's.
    fn told(
        dockerfile: &str,
        target: Option<&str>,
        own: &[(&str, u64)],
        layers: usize,
    ) -> Vec<(Option<u32>, Option<u64>)> {
        let dockerfile = Dockerfile::parse(dockerfile).expect("valid");
        let ground = Ground {
            layers: 2,
            history: history(&BASE),
        };
        let all = history(&[&BASE, own].concat());
        let ids: Vec<String> = (0..layers + 2).map(|number| format!("sha256:{number}")).collect();
        let told = of_layers(&ids, &all, Some(&ground), &dockerfile, target);
        assert_eq!(
            told[..2],
            [
                (LayerOrigin::Base, Some(Bytes(111_000_000))),
                (LayerOrigin::Mark, Some(Bytes(200)))
            ]
        );
        let line = |told: &(LayerOrigin, Option<Bytes>)| match told.0 {
            LayerOrigin::Dockerfile { line } => (line, told.1.map(|size| size.0)),
            other => panic!("{other:?}"),
        };
        told[2..].iter().map(line).collect()
    }

    #[test]
    fn layers_of_buildkit_lead_to_their_lines() {
        let dockerfile = "FROM a AS base\nWORKDIR /app\nFROM a AS other\nRUN other\nFROM base\nENV X=1\n\
                          RUN --mount=type=cache,target=/c echo $X \\\n  && true\nCOPY --from=other /x /x\nCMD [\"x\"]\n";
        let own = [
            ("WORKDIR /app", 0),
            ("ENV X=1", 0),
            ("RUN |1 SECRET=hunter2 /bin/sh -c echo $X   && true # buildkit", 50),
            ("COPY /x /x # buildkit", 7),
            ("CMD [\"x\"]", 0),
        ];
        let wanted = [(Some(2), Some(0)), (Some(7), Some(50)), (Some(9), Some(7))];
        assert_eq!(told(dockerfile, None, &own, 3), wanted);
        assert_eq!(told(dockerfile, Some("base"), &own[..1], 1), wanted[..1]);
    }

    #[test]
    fn layers_of_the_classic_builder_lead_to_their_lines() {
        let dockerfile = "FROM a\nWORKDIR /\nRUN true\nRUN make\nARG V\nRUN make install\nCOPY x /x\n";
        // Nothing changed in the first two, so they made no layer.
        let own = [
            ("/bin/sh -c #(nop) WORKDIR /", 0),
            ("/bin/sh -c true", 0),
            ("/bin/sh -c make", 10),
            ("/bin/sh -c #(nop)  ARG V", 0),
            ("|1 V=2 /bin/sh -c make install", 20),
            ("/bin/sh -c #(nop) COPY file:77 in /x ", 5),
            ("/bin/sh -c #(nop)  LABEL dev.bakeoff.run=1", 0),
        ];
        assert_eq!(
            told(dockerfile, None, &own, 3),
            [(Some(4), Some(10)), (Some(6), Some(20)), (Some(7), Some(5))]
        );
    }

    #[test]
    fn what_can_not_be_told_is_not_guessed() {
        let own = [("RUN a # buildkit", 1), ("RUN b # buildkit", 2)];
        assert_eq!(told("FROM a\nRUN a\nRUN b\n", None, &own, 3), [(None, None); 3]);
        let dockerfile = Dockerfile::parse("FROM scratch\nCOPY x /\n").expect("valid");
        let entries = history(&[("COPY x / # buildkit", 9)]);
        let only = of_layers(&["sha256:0".to_owned()], &entries, None, &dockerfile, None);
        assert_eq!(only, [(LayerOrigin::Dockerfile { line: Some(2) }, Some(Bytes(9)))]);
    }

    #[test]
    fn a_base_whose_history_does_not_fit_has_no_sizes() {
        assert_eq!(sizes_of_base(&history(&BASE), 3), [None; 3]);
    }
}
