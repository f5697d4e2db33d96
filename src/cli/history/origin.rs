//! Which commit and branch were measured, where the user does not say.

use std::process::{Command, Stdio};

use super::args::Source;
use crate::history::Origin;

/// Where CI systems name the commit (GitHub Actions, GitLab CI).
const COMMITS: [&str; 2] = ["GITHUB_SHA", "CI_COMMIT_SHA"];
/// Where they name the branch; that of a pull or merge request comes first, whose other variables name a merge.
const BRANCHES: [&str; 4] = [
    "GITHUB_HEAD_REF",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
    "GITHUB_REF_NAME",
    "CI_COMMIT_REF_NAME",
];

/// What the user says, else the CI's environment, else git in this folder; what nobody knows is empty.
pub(in crate::cli) fn origin(source: &Source) -> Origin {
    let variable = |name: &str| std::env::var(name).ok();
    Origin {
        commit: chosen(source.commit.as_deref(), &COMMITS, &variable)
            .or_else(|| git(&["rev-parse", "HEAD"]))
            .unwrap_or_default(),
        branch: branch(source.branch.as_deref()),
    }
}

/// The branch, in the same way.
pub(in crate::cli) fn branch(said: Option<&str>) -> String {
    let variable = |name: &str| std::env::var(name).ok();
    chosen(said, &BRANCHES, &variable)
        .or_else(|| git(&["branch", "--show-current"]))
        .unwrap_or_default()
}

fn chosen(said: Option<&str>, names: &[&str], variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let of_environment = || {
        names
            .iter()
            .filter_map(|name| variable(name))
            .find(|value| !value.is_empty())
    };
    said.map(str::to_owned).or_else(of_environment)
}

/// A line of git's, if there is a git and this is a checkout.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .args(arguments)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let line = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_comes_first_and_then_the_request_s_own_branch() {
        let of = |set: &'static [(&str, &str)]| {
            move |name: &str| {
                let value = set.iter().find(|(known, _)| *known == name);
                value.map(|(_, value)| (*value).to_owned())
            }
        };
        let request = of(&[("GITHUB_HEAD_REF", "quicker"), ("GITHUB_REF_NAME", "7/merge")]);
        assert_eq!(chosen(None, &BRANCHES, &request).as_deref(), Some("quicker"));
        assert_eq!(chosen(Some("main"), &BRANCHES, &request).as_deref(), Some("main"));
        // Set and empty where there is no request.
        let push = of(&[("GITHUB_HEAD_REF", ""), ("GITHUB_REF_NAME", "main")]);
        assert_eq!(chosen(None, &BRANCHES, &push).as_deref(), Some("main"));
        assert_eq!(chosen(None, &BRANCHES, &of(&[])), None);
    }
}
