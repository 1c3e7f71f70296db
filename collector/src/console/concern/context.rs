//! What else is known, in sentences: how often before, what came of others like it, what is the same today.

use super::super::words;
use crate::store::concern_context::History;
use crate::triage::commands::{Same, Verdict};

/// How often before; `None` for the first time.
pub(super) fn history(history: History) -> Option<String> {
    let History { all, of_topic, lately } = history;
    (all > 0).then(|| {
        let topic = match of_topic {
            0 => "none of this topic".to_owned(),
            of_topic if of_topic == all => "all of this topic".to_owned(),
            of_topic => format!("{} of this topic", words::thousands(of_topic)),
        };
        let lately = match lately {
            0 => "none in the last 30 days".to_owned(),
            lately => format!("{} in the last 30 days", words::thousands(lately)),
        };
        format!("{} before this: {topic}, {lately}.", words::plural(all, "concern"))
    })
}

/// "The last 5 by this rule: 4 false alarms, 1 right."; `None` where nobody judged one.
pub(super) fn like(verdicts: &[Verdict]) -> Option<String> {
    let count = |verdict| verdicts.iter().filter(|one| **one == verdict).count();
    let parts = [
        (count(Verdict::False), "false alarm", "false alarms"),
        (count(Verdict::True), "right", "right"),
        (count(Verdict::Unclear), "unclear", "unclear"),
    ];
    let parts: Vec<_> = parts
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }))
        .collect();
    let of = match verdicts.len() {
        0 => return None,
        1 => "The last one by this rule".to_owned(),
        many => format!("The last {many} by this rule"),
    };
    Some(format!("{of}: {}.", parts.join(", ")))
}

/// The same site or file today; `None` where nothing else names it.
pub(super) fn same(same: &Same) -> Option<String> {
    let concerns = i64::try_from(same.concerns.len()).unwrap_or(i64::MAX);
    let devices = i64::try_from(same.devices).unwrap_or(i64::MAX);
    (concerns > 0).then(|| {
        format!(
            "Today the same site or file is also in {}, on {}.{}",
            words::plural(concerns, "other concern"),
            words::plural(devices, "device"),
            if same.is_cut { " Only the latest of today were compared." } else { "" }
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_others_like_it_is_counted_in_words() {
        let verdicts = [Verdict::False, Verdict::False, Verdict::True, Verdict::False, Verdict::False];
        assert_eq!(like(&verdicts).unwrap(), "The last 5 by this rule: 4 false alarms, 1 right.");
        assert_eq!(like(&[Verdict::Unclear]).unwrap(), "The last one by this rule: 1 unclear.");
        assert_eq!(like(&[]), None);
    }

    #[test]
    fn how_often_before_says_how_much_of_it_is_the_same_topic_and_lately() {
        let of = |all, of_topic, lately| history(History { all, of_topic, lately });
        assert_eq!(of(0, 0, 0), None);
        assert_eq!(of(1, 0, 1).unwrap(), "1 concern before this: none of this topic, 1 in the last 30 days.");
        assert_eq!(of(12, 12, 0).unwrap(), "12 concerns before this: all of this topic, none in the last 30 days.");
    }
}
