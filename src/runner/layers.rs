//! What the images of a trial consist of, told at its end, unmeasured: each layer with its sizes and its instruction, and for
//! the first measured trial of a scenario what is wasted in them. Not for: comparing images (that is the `analysis` room's).

mod origin;
mod scan;

use super::Trial;
use super::event::{ImageRecord, LayerRecord};
use crate::engine::Engine;
use origin::Ground;

pub(super) use scan::Scan;

impl<E: Engine> Trial<'_, E> {
    /// Every image that the trial made and its engine still has.
    pub(super) async fn image_records(&self) -> Vec<ImageRecord> {
        let looking = async {
            let mut records = Vec::new();
            for (image, name) in &self.images {
                records.extend(self.image_record(image, name).await);
            }
            if self.is_to_be_scanned() {
                self.scan(&mut records).await;
            }
            records
        };
        tokio::select! {
            biased;
            () = self.session.cancel.cancelled() => Vec::new(),
            records = looking => records,
        }
    }

    async fn image_record(&self, image: &str, name: &str) -> Option<ImageRecord> {
        let details = self.place.engine.image(name).await.ok().flatten()?;
        let history = self.place.engine.history(name).await.unwrap_or_default();
        let ground = self.ground(&details.layers).await;
        let origins = origin::of_layers(
            &details.layers,
            &history,
            ground.as_ref(),
            &self.dockerfile,
            self.scenario.target.as_deref(),
        );
        // A registry's manifest names the same layers in the same order.
        let pushed = self.packed.get(image).filter(|blobs| blobs.len() == origins.len());
        let layers = details.layers.into_iter().zip(origins).enumerate();
        Some(ImageRecord {
            image: image.to_owned(),
            layers: layers
                .map(|(number, (diff_id, (origin, size)))| LayerRecord {
                    diff_id,
                    size,
                    blob: pushed.and_then(|blobs| blobs.get(number).cloned()),
                    origin,
                })
                .collect(),
            waste: None,
            unread: None,
        })
    }

    /// The trial's base that an image with these layers was built on: the one of which it has the most.
    async fn ground(&self, layers: &[String]) -> Option<Ground> {
        let mut found: Option<Ground> = None;
        for base in &self.bases {
            let Ok(Some(details)) = self.place.engine.image(base).await else {
                continue;
            };
            let count = details.layers.len();
            let is_larger = found.as_ref().is_none_or(|found| found.layers < count);
            if layers.starts_with(&details.layers) && is_larger {
                let history = self.place.engine.history(base).await.unwrap_or_default();
                found = Some(Ground { layers: count, history });
            }
        }
        found
    }
}
