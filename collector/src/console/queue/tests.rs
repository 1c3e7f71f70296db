//! What the list shows, to whom, and what its address says.

use http::StatusCode;
use lapwing_rules::Category;

use super::super::seeded::{Seeded, Visitor};
use super::*;

#[tokio::test]
async fn a_row_says_level_topic_masked_account_count_and_clock_and_no_evidence() {
    let seeded = Seeded::open().await;
    seeded.concern("amelia", Category::SelfHarm, Level::High, "seeded words").await;
    let page = seeded.visitor("dsl").await.get("/queue").await.body;
    for words in ["High", "Self-harm", "A. J., 8B", "Once, 10:00", "Acknowledge within 1 hour"] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("Amelia") && !page.contains("seeded words"));
}

#[tokio::test]
async fn low_levels_stand_in_a_list_of_their_own_and_closed_ones_in_none() {
    let seeded = Seeded::open().await;
    let low = seeded.concern("ben", Category::Gambling, Level::Low, "words").await;
    let closed = seeded.concern("ben", Category::Drugs, Level::Moderate, "words").await;
    seeded.set_state(&closed, "closed").await;
    let mut dsl = seeded.visitor("dsl").await;
    let open = dsl.get("/queue").await.body;
    assert!(open.contains("weekly sign-off") && open.contains(&low) && !open.contains(&closed));
    let shelf = dsl.get("/queue?show=closed").await.body;
    assert!(shelf.contains(&closed) && !shelf.contains(&low));
}

/// The references in the list at `path`.
async fn listed(visitor: &mut Visitor, path: &str) -> Vec<String> {
    let page = visitor.get(path).await.body;
    let rows = page.split("data-reference=\"").skip(1).filter_map(|rest| rest.split('"').next());
    rows.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_filter_narrows_the_list_by_what_stands_around_a_concern_and_never_by_its_words() {
    let seeded = Seeded::open().await;
    let amelia = seeded.concern("amelia", Category::SelfHarm, Level::High, "seeded words").await;
    let ben = seeded.concern("ben", Category::Drugs, Level::Moderate, "seeded words").await;
    let closed = seeded.concern("ben", Category::Gambling, Level::Moderate, "seeded words").await;
    seeded.set_state(&closed, "closed").await;
    seeded.set_state(&ben, "triage").await;
    let mut dsl = seeded.visitor("dsl").await;
    let (amelia, ben, closed) = (amelia.as_str(), ben.as_str(), closed.as_str());
    let cases: [(&str, &[&str]); 19] = [
        ("", &[amelia, ben]),
        ("level=4", &[amelia]),
        ("level=4&level=3", &[amelia, ben]),
        ("level=4&not=level", &[ben]),
        ("category=drugs", &[ben]),
        ("category=drugs&category=gambling&not=category", &[amelia]),
        ("state=waiting", &[amelia]),
        ("state=working", &[ben]),
        ("show=closed", &[closed]),
        ("show=all&category=gambling&category=drugs", &[ben, closed]),
        ("q=amelia+jones", &[amelia]),
        ("q=10a", &[ben]),
        (&format!("q={}", ben.to_lowercase()), &[ben]),
        ("q=self_harm.words", &[amelia]),
        ("q=seeded", &[]),
        ("q=%25", &[]),
        ("q=_", &[amelia]),
        ("since=2000-01-01&until=2000-01-02", &[]),
        ("since=2026-09-28&until=2026-09-28", &[amelia, ben]),
    ];
    for (query, expected) in cases {
        let mut found = listed(&mut dsl, &format!("/queue?{query}")).await;
        let mut expected: Vec<_> = expected.iter().map(|one| (*one).to_owned()).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{query}");
    }
    let page = dsl.get("/queue?level=5&q=%3Cb%3E").await.body;
    assert!(page.contains("No concern matches.") && page.contains("/queue/live?q="), "{page}");
    assert!(!page.contains("<b>") && page.contains("Showing open; critical"), "{page}");
}

#[tokio::test]
async fn a_filter_finds_nobody_their_own_concern() {
    let seeded = Seeded::open().await;
    let mut head = seeded.visitor("head").await;
    let views = ["q=ruth", "q=sam", "show=all", "level=4&state=waiting", "q=pc-12"];
    let mut without = Vec::new();
    for view in views {
        without.push(head.get(&format!("/queue?{view}")).await.body);
    }
    seeded.concern("head", Category::Gambling, Level::High, "words").await;
    for (view, before) in views.into_iter().zip(without) {
        assert_eq!(head.get(&format!("/queue?{view}")).await.body, before, "{view}");
    }
}

#[tokio::test]
async fn an_empty_queue_says_how_many_devices_were_heard() {
    let seeded = Seeded::open().await;
    let mut dsl = seeded.visitor("dsl").await;
    let page = dsl.get("/queue").await.body;
    assert!(page.contains("No concerns.") && page.contains("1 of 1 device heard today."), "{page}");
    seeded.looks_out(10).await;
    assert!(dsl.get("/queue").await.body.contains("1 silent since 10:00."));
}

#[tokio::test]
async fn what_the_filter_reports_stands_in_the_same_list_and_says_so_on_its_row_and_its_page() {
    let seeded = Seeded::open().await;
    let agents = seeded.concern("ben", Category::Drugs, Level::Moderate, "words").await;
    let export = "time,account,url,category\n2026-09-28T08:55:00Z,amelia,https://forum.example/ways,Suicide\n";
    seeded.filter_reports(export).await;
    let mut dsl = seeded.visitor("dsl").await;
    let page = dsl.get("/queue").await.body;
    assert!(page.contains("A. J., 8B") && page.contains(&agents), "{page}");
    assert_eq!(page.matches("From the filter").count(), 1, "{page}");
    let reference =
        page.split("/concerns/").find_map(|rest| rest.get(..7).filter(|one| *one != agents && one.contains('-')));
    let concern = dsl.get(&format!("/concerns/{}", reference.unwrap())).await.body;
    for words in ["From the filter", "forum.example", "The filter"] {
        assert!(concern.contains(words), "{words}: {concern}");
    }
    let devices = seeded.visitor("tech").await.get("/devices").await.body;
    assert!(!devices.contains("The filter") && devices.contains("1 of 1 device heard today"), "{devices}");
}

#[tokio::test]
async fn where_devices_are_expected_the_queue_counts_them_and_not_those_that_enrolled() {
    let seeded = Seeded::open().await;
    seeded.expects("hostname\npc-12\nPC-13\nPC-14\n").await;
    let page = seeded.visitor("dsl").await.get("/queue").await.body;
    assert!(page.contains("1 of 3 expected devices heard today; 2 never."), "{page}");
}

#[tokio::test]
async fn a_concern_about_oneself_leaves_the_page_as_it_was() {
    let seeded = Seeded::open().await;
    let mut head = seeded.visitor("head").await;
    let without = head.get("/queue").await.body;
    seeded.concern("head", Category::Gambling, Level::High, "words").await;
    assert_eq!(head.get("/queue").await.body, without);
    assert_eq!(head.get("/queue?show=closed").await.status, StatusCode::OK);
    assert!(seeded.visitor("chair").await.get("/queue").await.body.contains("R. B., staff"));
}
