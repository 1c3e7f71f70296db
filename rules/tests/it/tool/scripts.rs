//! What scripts are told.

use super::{Desk, good, rule};

#[test]
fn scripts_are_told_all_that_people_are_told_of_a_hit() {
    let terms = "after = { times = 3, within = \"1h\" }\ncooldown = \"10m\"\nscore = 2\nguidance =";
    let score = "[[score]]\nid = \"t.score\"\ntitle = \"Several\"\ncategory = \"weapons\"\nguidance = \"Ask.\"\n\
        threshold = 3\nexamples = {}\n";
    let nest = rule("t.nest", "\"title\"", "match = { phrase = \"nest\" }\nscore = 2\nreport = false");
    let desk = Desk::new(&(good().replace("guidance =", terms) + &nest + score));
    let tune = "[[tune]]\nrule = \"t.rule\"\nrequester = \"J. Marsh\"\napprover = [\"S. Okafor\", \"R. Bell\"]\n\
        reason = \"Biology\"\nexpires = 2026-12-20\nlevel = 1\n";
    std::fs::write(desk.path("local.toml"), tune).unwrap();
    let given = "explain --packs packs --json --overlay local.toml --today 2026-11-28 --band ks3 --scope title";
    let output = desk.runs_all(&[given.split(' ').collect(), vec!["barn owl nest"]].concat());
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let (score, hit) = (&json["hits"][0], &json["hits"][1]);
    assert_eq!(
        (&score["level_word"], &score["c"], &score["guidance"]),
        (&"high".into(), &"content".into(), &"Ask.".into())
    );
    let parts = serde_json::json!([{ "rule": "t.nest", "points": 2 }, { "rule": "t.rule", "points": 2 }]);
    assert_eq!(score["score"], serde_json::json!({ "threshold": 3, "points": 4, "rules": parts }));
    let course = serde_json::json!({
        "cooldown_s": 600, "after": { "times": 3, "within_s": 3600 }, "escalate": null, "shadow": false, "watch": null
    });
    assert_eq!(
        (&hit["course"], &hit["untold"], &hit["score"]),
        (&course, &serde_json::Value::Null, &serde_json::Value::Null)
    );
    let tuned = serde_json::json!({
        "changes": ["level 1"], "reason": "Biology", "requester": "J. Marsh", "approvers": ["S. Okafor", "R. Bell"],
        "until": "2026-12-20"
    });
    assert_eq!(hit["tuned"], tuned);
}

#[test]
fn packs_that_do_not_compile_are_told_to_scripts_as_check_tells_them() {
    let desk = Desk::new(&good().replace("guidance", "guidence"));
    let problems = desk.ends("check --packs packs --json", 1);
    assert!(problems.contains("\"code\": \"R002\""), "{problems}");
    for command in ["test", "lint", "mutate", "cost", "compile --release 4 --key key --out set"] {
        assert_eq!(desk.ends(&format!("{command} --packs packs --json"), 64), problems, "{command}");
        assert!(desk.ends(&format!("{command} --packs packs"), 64).contains("error[R002]"), "{command}");
    }
}

#[test]
fn every_command_that_tells_something_tells_it_as_json() {
    let desk = Desk::new(&good());
    let json = |arguments: &str| -> serde_json::Value {
        serde_json::from_str(&desk.ends(&format!("{arguments} --json"), 0)).unwrap()
    };
    let key = json("keygen --out second")["public_key"].as_str().unwrap().to_owned();
    let compiled = json("compile --packs packs --release 4 --key second --out set");
    assert_eq!(
        (&compiled["release"], &compiled["rules"], &compiled["signed_by"]),
        (&4.into(), &1.into(), &key.as_str().into())
    );
    let verified = json(&format!("verify --set set --trust {key}"));
    assert_eq!((&verified["kind"], &verified["packs"][0]["id"]), (&"rule_set".into(), &"t".into()));
    assert_eq!((&verified["sha256"], &verified["signed_by"][0]), (&compiled["sha256"], &compiled["signed_by"]));
    assert_ne!(json("sign --set set --key key")["sha256"], compiled["sha256"]);
    let policy = r#"{"release": 2, "school": "sample-school", "zone": "Europe/London", "hours": "always", "sites": "any",
        "staff_watched": true, "notice_version": 1}"#;
    std::fs::write(desk.path("policy.json"), policy).unwrap();
    let signed = json("policy-sign --policy policy.json --key second --out policy");
    assert_eq!((&signed["school"], &signed["signed_by"]), (&"sample-school".into(), &key.as_str().into()));
    assert_eq!(json(&format!("verify --set policy --trust {key}"))["kind"], "policy");
    let categories = json("categories")["categories"].as_array().unwrap().clone();
    assert!(categories.iter().any(|category| category["category"] == "weapons" && category["is_illegal"] == false));
    let refused = desk.ends(&format!("verify --set set --trust {key} --threshold 2 --json"), 64);
    assert!(refused.contains("threshold"), "{refused}");
    std::fs::write(desk.path("set"), "nothing").unwrap();
    assert!(desk.ends(&format!("verify --set set --trust {key} --json"), 1).contains("\"refused\""));
}
