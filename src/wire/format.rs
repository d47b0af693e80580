//! Short forms of times, names and texts, for pages and programs.

use unicode_segmentation::UnicodeSegmentation;

use crate::clock::Time;

/// Returns the beginning of a text on one line, at most `limit` characters.
pub fn excerpt(text: &str, limit: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.grapheme_indices(true).nth(limit) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

/// Returns the first letters of the first and the last word of a name, in capitals.
pub fn initials(name: &str) -> String {
    // Brackets after a name are no part of the name: "Ana (guest)", "Ify (@ify)".
    let bare = name.split(" (").next().unwrap_or(name);
    let mut words = bare.split_whitespace();
    let first = words.next();
    let last = words.next_back();
    let letters = [first, last].into_iter().flatten().filter_map(|word| {
        let mut clusters = word.graphemes(true);
        clusters.clone().find(|c| c.chars().any(char::is_alphanumeric)).or_else(|| clusters.next())
    });
    letters.map(str::to_uppercase).collect()
}

/// Formats the age of something: `now`, `3m`, `2h`, `5d`, then the date. `times.js` has the same rules.
pub fn ago(now: Time, then: Time) -> String {
    let seconds = now.since(then).as_secs();
    match seconds {
        0..60 => "now".into(),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        86_400..604_800 => format!("{}d", seconds / 86_400),
        _ if then.utc().year() == now.utc().year() => then.utc().strftime("%-d %b").to_string(),
        _ => then.utc().strftime("%-d %b %Y").to_string(),
    }
}

/// Formats a time: `20 November 2026 at 14:31 UTC`.
pub fn date_and_time(then: Time) -> String {
    then.utc().strftime("%-d %B %Y at %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short_and_later_ones_are_dates() {
        let then = Time::from_ms(1_795_185_067_512); // 20 November 2026, 14:31:07
        for (later, expected) in [
            (0, "now"),
            (59, "now"),
            (60, "1m"),
            (3_599, "59m"),
            (3_600, "1h"),
            (86_400, "1d"),
            (604_799, "6d"),
            (604_800, "20 Nov"),
            (86_400 * 60, "20 Nov 2026"),
        ] {
            assert_eq!(ago(then + std::time::Duration::from_secs(later), then), expected);
        }
        assert_eq!(date_and_time(then), "20 November 2026 at 14:31 UTC");
    }

    #[test]
    fn initials_are_two_letters_of_any_script() {
        for (name, expected) in [
            ("Nell Ashby", "NA"),
            ("Jörg Großmann", "JG"),
            ("Nguyễn Thị Hà", "NH"),
            ("ليلى حداد", "لح"),
            ("nell", "N"),
            ("🐦", "🐦"),
            ("'t Hooft", "TH"),
            ("Ana (guest)", "A"),
            ("Ifeoma Okafor (@ify)", "IO"),
        ] {
            assert_eq!(initials(name), expected);
        }
    }

    #[test]
    fn an_excerpt_ends_between_characters() {
        assert_eq!(excerpt("a\n\nb", 80), "a b");
        assert_eq!(excerpt("👨‍👩‍👧‍👦👨‍👩‍👧‍👦 c", 1), "👨‍👩‍👧‍👦…");
    }
}
