//! Everything that an engine holds, listed so that two lists can be compared: the proof that a run took away nothing of
//! the user's and left nothing behind. Not for: removing anything (that is the reaper's).

use std::collections::BTreeSet;

/// What an engine holds at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory(pub BTreeSet<Thing>);

/// Something that an engine holds. An image with several names is there once under each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thing {
    /// What it is.
    pub kind: ThingKind,
    /// Its id, or its name where it has none.
    pub id: String,
    /// How people know it; of an image without a name its digest or id, of a build-cache record its kind, or [`IMAGE_LAYER`].
    pub name: String,
    /// Whose it is.
    pub owner: Owner,
}

/// What build-cache records are called that hold nothing themselves: BuildKit's handles on the layers of an image that the
/// engine has, made when the image is first built on.
pub const IMAGE_LAYER: &str = "image layer";

/// The kinds of things that an engine holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ThingKind {
    /// An image, by one of its names.
    Image,
    /// A container, running or not.
    Container,
    /// A volume.
    Volume,
    /// A network.
    Network,
    /// A record of the build cache.
    CacheRecord,
}

impl ThingKind {
    /// Its name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Container => "container",
            Self::Volume => "volume",
            Self::Network => "network",
            Self::CacheRecord => "build-cache record",
        }
    }
}

/// Whose a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// Not of bakeoff's making.
    Somebody,
    /// Of a run of bakeoff's, which is to remove it: it carries [`RUN_LABEL`](super::RUN_LABEL), or descends from a base
    /// of a trial.
    Run,
    /// A base image that bakeoff made and keeps: it carries [`STAND_IN_LABEL`](super::STAND_IN_LABEL).
    StandIn,
}

impl Inventory {
    /// What is here and not in the other one. An image that has got a name is still there, one that has lost a name has
    /// changed.
    #[must_use]
    pub fn without(&self, other: &Self) -> Vec<&Thing> {
        let there: BTreeSet<_> = other.0.iter().map(Thing::key).collect();
        let ids: BTreeSet<_> = other.0.iter().map(|thing| (thing.kind, thing.id.as_str())).collect();
        let is_there = |thing: &&Thing| {
            there.contains(&thing.key())
                || (thing.is_nameless_image() && ids.contains(&(thing.kind, thing.id.as_str())))
        };
        self.0.iter().filter(|thing| !is_there(thing)).collect()
    }
}

impl Thing {
    /// Whether it is a build-cache record that only stands for a layer of an image.
    #[must_use]
    pub fn is_image_layer(&self) -> bool {
        self.kind == ThingKind::CacheRecord && self.name == IMAGE_LAYER
    }

    /// What makes it the same thing; whose it is, is judged anew each time.
    fn key(&self) -> (ThingKind, &str, &str) {
        (self.kind, &self.id, &self.name)
    }

    fn is_nameless_image(&self) -> bool {
        self.kind == ThingKind::Image && (self.name == self.id || self.name.contains('@'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(id: &str, name: &str, owner: Owner) -> Thing {
        Thing {
            kind: ThingKind::Image,
            id: id.into(),
            name: name.into(),
            owner,
        }
    }

    fn names(before: &[&Thing], after: &[&Thing]) -> (Vec<String>, Vec<String>) {
        let inventory = |things: &[&Thing]| Inventory(things.iter().map(|&thing| thing.clone()).collect());
        let (before, after) = (inventory(before), inventory(after));
        let names = |things: Vec<&Thing>| things.into_iter().map(|thing| thing.name.clone()).collect();
        (names(before.without(&after)), names(after.without(&before)))
    }

    #[test]
    fn names_come_and_go_with_images() {
        let base = image("1", "base:1", Owner::Somebody);
        let other = image("1", "other:1", Owner::Somebody);
        let nameless = image("1", "1", Owner::Somebody);
        let none = Vec::<String>::new;
        let one = |name: &str| vec![name.to_owned()];
        assert_eq!(names(&[&base], &[&base, &other]), (none(), one("other:1")));
        assert_eq!(names(&[&nameless], &[&base]), (none(), one("base:1")));
        assert_eq!(names(&[&base], &[&nameless]), (one("base:1"), none()));
        // The tag stands for another image now.
        let moved = image("2", "base:1", Owner::Somebody);
        assert_eq!(names(&[&base], &[&moved]), (one("base:1"), one("base:1")));
    }

    #[test]
    fn a_thing_is_the_same_whosever_it_is() {
        let (ours, theirs) = (image("1", "a", Owner::Run), image("1", "a", Owner::Somebody));
        assert_eq!(names(&[&ours], &[&theirs]), (vec![], vec![]));
    }
}
