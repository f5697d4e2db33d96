//! The words for the layers of a scenario's images: what an edit left of them, and what is wasted. Not for: where they stand.

use crate::analysis::{ImageLayers, Layer, Layers, Report, Reuse};
use crate::runner::event::LayerOrigin;
use crate::units::Bytes;

use super::attribution::cut;

/// Beyond so many characters an instruction is cut off in a table.
const IN_TABLE: usize = 100;
/// So many wasted files are named.
const FILES: usize = 3;
/// And so many characters of each one's path.
const PATH: usize = 80;

/// What the tables of layers are of.
pub(super) const CAPTION: &str = "Layers, lowest first: the uncompressed size of each, and in brackets the size that it has in the \
                                  registry. Of a later image the layers that it shares with the first one are kept.";

/// A line of a table of layers.
pub(super) struct Row {
    /// The instruction's line; empty for the base.
    pub line: String,
    /// What it is.
    pub text: String,
    /// A size or a word for each image.
    pub figures: Vec<String>,
}

/// The layers of a scenario's images as a table: the base in one line, then each layer of the Dockerfile. bakeoff's own layer
/// is left out.
pub(super) fn table(of: &Layers) -> Vec<Row> {
    let base = |image: &ImageLayers| -> Vec<Layer> { of_origin(image, |origin| origin == LayerOrigin::Base) };
    let own = |image: &ImageLayers| -> Vec<Layer> {
        of_origin(image, |origin| matches!(origin, LayerOrigin::Dockerfile { .. }))
    };
    let mut rows = Vec::new();
    let most = of.images.iter().map(|image| base(image).len()).max().unwrap_or(0);
    if most > 0 {
        let layers = if most == 1 {
            "1 layer".into()
        } else {
            format!("{most} layers")
        };
        rows.push(Row {
            line: String::new(),
            text: format!("the base image, {layers}"),
            figures: of.images.iter().map(|image| figure(&base(image))).collect(),
        });
    }
    let all: Vec<Vec<Layer>> = of.images.iter().map(own).collect();
    // By the instruction, not by the place: an instruction that changed nothing has no layer with some builders.
    let line_of = |layer: &Layer| layer.instruction.as_ref().map(|it| it.first_line);
    let mut lines: Vec<u32> = all.iter().flatten().filter_map(line_of).collect();
    lines.sort_unstable();
    lines.dedup();
    for line in lines {
        let of_line = |own: &Vec<Layer>| {
            own.iter()
                .filter(|layer| line_of(layer) == Some(line))
                .cloned()
                .collect::<Vec<_>>()
        };
        let instruction = all.iter().flatten().find(|layer| line_of(layer) == Some(line));
        let instruction = instruction.and_then(|layer| layer.instruction.as_ref());
        rows.push(Row {
            line: line.to_string(),
            text: instruction.map_or_else(String::new, |it| cut(&it.text, IN_TABLE)),
            figures: all
                .iter()
                .map(|own| {
                    Some(of_line(own))
                        .filter(|layers| !layers.is_empty())
                        .map(|layers| figure(&layers))
                        .unwrap_or_default()
                })
                .collect(),
        });
    }
    let unknown = |own: &Vec<Layer>| {
        own.iter()
            .filter(|layer| layer.instruction.is_none())
            .cloned()
            .collect::<Vec<_>>()
    };
    let unknown: Vec<Vec<Layer>> = all.iter().map(unknown).collect();
    for number in 0..unknown.iter().map(Vec::len).max().unwrap_or(0) {
        rows.push(Row {
            line: String::new(),
            text: "unknown".into(),
            figures: unknown
                .iter()
                .map(|own| own.get(number..=number).map(figure).unwrap_or_default())
                .collect(),
        });
    }
    rows
}

fn of_origin(image: &ImageLayers, is_it: impl Fn(LayerOrigin) -> bool) -> Vec<Layer> {
    image
        .layers
        .iter()
        .filter(|layer| is_it(layer.origin))
        .cloned()
        .collect()
}

/// `new, 300.0 MB (100.0 MB)`; sizes only where all are known.
fn figure(layers: &[Layer]) -> String {
    let sum = |read: fn(&Layer) -> Option<Bytes>| layers.iter().map(read).sum::<Option<Bytes>>();
    let size = sum(|layer| layer.size).map(|size| size.to_string());
    let packed = sum(|layer| layer.blob.as_ref().map(|blob| blob.1)).map(|size| format!("({size})"));
    let sizes: Vec<String> = size.into_iter().chain(packed).collect();
    let state = layers
        .iter()
        .map(|layer| layer.state)
        .max_by_key(|state| state.map(|state| state as u8));
    [
        state.flatten().map(|state| state.name().to_owned()),
        Some(sizes.join(" ")),
    ]
    .into_iter()
    .flatten()
    .filter(|text| !text.is_empty())
    .collect::<Vec<_>>()
    .join(", ")
}

/// Whether an image is one of several of its name, what each shares with the first one, and what is wasted in it.
pub(super) fn texts(of: &Layers) -> Vec<String> {
    let first = of.images.first().map_or("", |image| image.image.as_str());
    of.images
        .iter()
        .flat_map(|image| {
            let reuse = image.reuse.as_ref().map(|reuse| reused(&image.image, first, reuse));
            rebuilt(image).into_iter().chain(reuse).chain(wasted(image))
        })
        .collect()
}

/// What a name that was built several times can't tell.
fn rebuilt(image: &ImageLayers) -> Option<String> {
    (image.builds > 1).then(|| {
        format!(
            "The journey builds the {} image {} times, and the last one is shown: those before it are gone when a trial ends, so \
             that what it kept of them is not known. Images with names of their own are compared.",
            image.image, image.builds
        )
    })
}

fn reused(image: &str, first: &str, reuse: &Reuse) -> String {
    let own = &reuse.own;
    let mut text = format!(
        "Of the {} that the Dockerfile made, the {image} image shares {} with the {first} one ({}), {} of {} ({})",
        counted(own.layers, "layer", "layers"),
        own.kept,
        percent(own.percent_of_layers()),
        own.kept_bytes,
        own.bytes,
        percent(own.percent_of_bytes()),
    );
    let all = &reuse.all;
    if all.layers > own.layers {
        text.push_str(&format!(
            "; with those of the base {} of {} layers, {} of {} ({})",
            all.kept,
            all.layers,
            all.kept_bytes,
            all.bytes,
            percent(all.percent_of_bytes()),
        ));
    }
    text.push('.');
    if reuse.rounds.0 < reuse.rounds.1 {
        let (alike, all) = reuse.rounds;
        text.push_str(&format!(" As many layers were kept in {alike} of {all} rounds."));
    }
    text
}

fn wasted(image: &ImageLayers) -> Option<String> {
    let name = &image.image;
    let Some(waste) = &image.waste else {
        let reason = image.unread.as_ref()?;
        return Some(format!("What is wasted in the {name} image is not known: {reason}."));
    };
    let score = percent(100.0 * waste.efficiency());
    if waste.wasted.0 == 0 {
        return Some(format!(
            "In the {name} image nothing is wasted; dive's efficiency score is {score}."
        ));
    }
    let files = waste.top.iter().take(FILES).map(|file| {
        let times = if file.times > 1 {
            format!(", {} times", file.times)
        } else {
            String::new()
        };
        format!("{} ({}{times})", cut(&file.path, PATH), file.wasted)
    });
    let files: Vec<String> = files.collect();
    Some(format!(
        "In the {name} image {} of {} are wasted: a later layer replaced or removed what an earlier one holds; the most of {}. \
         dive's efficiency score is {score}.",
        waste.wasted,
        counted(usize::try_from(waste.paths).unwrap_or(usize::MAX), "file", "files"),
        files.join(", "),
    ))
}

/// One line for each scenario: what its second image kept of the first one, and what the first one that was read wastes.
pub(super) fn brief(report: &Report) -> Vec<String> {
    let line = |(scenario, of): (&str, &Layers)| {
        let kept = of.images.iter().find_map(|image| {
            let own = image.reuse.as_ref()?.own;
            Some(format!(
                "{} keeps {} of {} layers, {} of their bytes",
                image.image,
                own.kept,
                own.layers,
                percent(own.percent_of_bytes()),
            ))
        });
        let wasted = of.images.iter().find_map(|image| {
            let waste = image.waste.as_ref()?;
            let score = percent(100.0 * waste.efficiency());
            Some(format!("{} wastes {} (efficiency {score})", image.image, waste.wasted))
        });
        let parts: Vec<String> = kept.into_iter().chain(wasted).collect();
        (!parts.is_empty()).then(|| format!("{scenario}: {}", parts.join("; ")))
    };
    let told = report.attributions.iter();
    told.filter_map(|of| line((of.scenario.as_str(), of.layers.as_ref()?)))
        .collect()
}

/// `99.9 %`. Only all of it is 100.
fn percent(percent: f64) -> String {
    if percent >= 100.0 {
        "100 %".into()
    } else {
        format!("{:.1} %", percent.min(99.9))
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sample;

    fn of_sample() -> Layers {
        let report = Report::of(&sample::layered());
        report.attributions[0].layers.clone().expect("layers")
    }

    #[test]
    fn the_table_has_the_base_in_one_line_and_nothing_of_bakeoff_s() {
        let rows = table(&of_sample());
        let told: Vec<_> = rows
            .iter()
            .map(|row| (row.line.as_str(), row.text.as_str(), row.figures.join(" | ")))
            .collect();
        let wanted = [
            (
                "",
                "the base image, 1 layer",
                "111.0 MB (40.0 MB) | kept, 111.0 MB (40.0 MB)",
            ),
            ("2", "RUN uv sync", "300.0 MB (100.0 MB) | kept, 300.0 MB (100.0 MB)"),
            ("5", "COPY src src", "100.0 kB (40.0 kB) | new, 100.0 kB (40.0 kB)"),
        ];
        assert_eq!(
            told,
            wanted.map(|(line, text, figures)| (line, text, figures.to_owned()))
        );
    }

    #[test]
    fn the_sentences_say_what_was_kept_and_what_is_wasted() {
        assert_eq!(
            texts(&of_sample()),
            [
                "In the cold image 12.4 MB of 31 files are wasted: a later layer replaced or removed what an earlier one holds; \
                 the most of root/.cache/wheel.whl (12.0 MB), etc/ld.so.cache (400.0 kB, 2 times). dive's efficiency score is \
                 95.1 %.",
                "Of the 2 layers that the Dockerfile made, the hot image shares 1 with the cold one (50.0 %), 300.0 MB of \
                 300.1 MB (99.9 %); with those of the base 2 of 3 layers, 411.0 MB of 411.1 MB (99.9 %).",
                "What is wasted in the hot image is not known: reading the scenario's layers took longer than 120 s.",
            ]
        );
    }

    #[test]
    fn an_image_without_waste_and_layers_without_sizes_are_told_too() {
        let mut of = of_sample();
        of.images[0].waste = Some(crate::engine::layers::Waste::default());
        assert_eq!(
            texts(&of)[0],
            "In the cold image nothing is wasted; dive's efficiency score is 100 %."
        );
        of.images[1].layers[3].size = None;
        of.images[1].layers[3].blob = None;
        assert_eq!(table(&of)[2].figures[1], "new");
        of.images[1].builds = 2;
        assert!(
            texts(&of)[1].starts_with("The journey builds the hot image 2 times, and the last one is shown"),
            "{:?}",
            texts(&of)
        );
    }
}
