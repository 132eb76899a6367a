//! The known name that is most like an unknown one, so that an error can suggest it.

/// Returns `; did you mean X?`, or an empty text if no name is like the given one.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    // Jaro's measure does not see the swapped letters of a short name: scr for src.
    let slip = |known: &str| name.len() > 2 && strsim::osa_distance(name, known) == 1;
    let likeness = |known: &str| match slip(known) {
        true => 1.0,
        false => strsim::jaro_winkler(name, known).max(last_parts(name, known)),
    };
    let nearest = known.into_iter().map(|known| (likeness(known), known)).max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((likeness, nearest)) if likeness > 0.8 => format!("; did you mean {nearest}?"),
        Some(_) | None => String::new(),
    }
}

/// Returns the end of an error about an unknown name: the most similar known name, then all of them under this title.
pub(crate) fn choices(name: &str, known: &[&str], title: &str) -> String {
    let suggestion = did_you_mean(name, known.iter().copied());
    let separator = if suggestion.is_empty() { ";" } else { "" };
    format!("{suggestion}{separator} {title} {}", known.join(", "))
}

/// Compares what follows the first part, so that the common `flow.` does not make all names alike.
fn last_parts(name: &str, known: &str) -> f64 {
    match (name.split_once('.'), known.split_once('.')) {
        (Some((_, name)), Some((_, known))) => strsim::jaro_winkler(name, known),
        (Some(_), None) | (None, Some(_)) | (None, None) => 0.0,
    }
}
