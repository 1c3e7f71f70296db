//! What a Teams workflow "when a webhook request is received" takes: a message with one adaptive card.

use serde_json::{Value, json};

use super::letter::Letter;

const CARD: &str = "application/vnd.microsoft.card.adaptive";
const SCHEMA: &str = "http://adaptivecards.io/schemas/adaptive-card.json";

/// What is posted: the title, the sentences, and a button that opens the console.
pub(super) fn body(letter: &Letter) -> String {
    let mut blocks = vec![json!({
        "type": "TextBlock", "text": letter.subject, "size": "Medium", "weight": "Bolder", "wrap": true,
    })];
    blocks.extend(letter.paragraphs().map(|text| json!({ "type": "TextBlock", "text": text, "wrap": true })));
    let card = json!({
        "$schema": SCHEMA,
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": blocks,
        "actions": [{ "type": "Action.OpenUrl", "title": "Sign in", "url": letter.link }],
    });
    let attachment = json!({ "contentType": CARD, "contentUrl": Value::Null, "content": card });
    json!({ "type": "message", "attachments": [attachment] }).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::letter::{Saying, write};
    use super::*;

    #[test]
    fn a_card_holds_the_title_the_sentences_and_a_button() {
        let letter = write(&Saying::Test, "https://lapwing.example");
        let posted: Value = serde_json::from_str(&body(&letter)).unwrap();
        assert_eq!(posted["type"], "message");
        let [attachment] = posted["attachments"].as_array().unwrap().as_slice() else { panic!("one attachment") };
        assert_eq!(attachment["contentType"], CARD);
        let card = &attachment["content"];
        assert_eq!((&card["type"], &card["version"]), (&json!("AdaptiveCard"), &json!("1.4")));
        assert_eq!(card["body"][0]["text"], letter.subject);
        assert!(card["body"].as_array().unwrap().len() > 1);
        assert_eq!(card["actions"][0]["url"], "https://lapwing.example");
    }
}
