//! Roll-outs by command, as devices are told of them.

use lapwing_proto::wire;
use lapwing_proto::wire::control_down::Directive;

use crate::control::{Control, signed_policy, status};
use crate::device::Device;
use crate::people::staff;
use crate::school::School;

async fn publish(school: &School, release: u64, reach: &[&str]) -> String {
    let file = school.path("policy");
    std::fs::write(&file, signed_policy(release, "sample-school")).unwrap();
    school.command(&[&["policy", "publish", file.to_str().unwrap()], reach].concat()).await
}

/// What a command prints that ends with `code`.
async fn ends(school: &School, code: i32, words: &[&str]) -> String {
    let output = school.run(words).await;
    assert_eq!(output.status.code(), Some(code), "{words:?}: {output:?}");
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[tokio::test]
async fn a_release_reaches_whom_it_goes_to_and_nobody_else_once_it_is_rolled_back() {
    let mut school = School::open().await;
    staff(&school, 3).await;
    assert!(publish(&school, 4, &[]).await.contains("release 4 is published"));
    let device = Device::enrol(&school).await;
    let mut control = Control::open(&device, &school).await;
    control.received(status(wire::Health::Working)).await;
    let told = control.directive().await;
    assert!(matches!(&told, Some(Directive::Policy(policy)) if policy.release == 4), "{told:?}");

    assert!(publish(&school, 5, &["--group", "staff room"]).await.contains("published to group staff room"));
    control.received(wire::Status { policy_release: 4, ..status(wire::Health::Blind) }).await;
    let said = school.command(&["policy", "rollout", "--group", "ict-suite", "--percent", "1"]).await;
    assert!(said.contains("1 % of devices, group ict-suite, group staff room"), "{said}");
    let told = control.directive().await;
    assert!(matches!(&told, Some(Directive::Policy(policy)) if policy.release == 5), "{told:?}");

    let said = school.command(&["policy", "rollback"]).await;
    assert!(said.contains("release 5 goes no further; devices are offered release 4"), "{said}");
    let said = ends(&school, 1, &["policy", "status"]).await;
    assert!(said.contains("HALTED: somebody halted it") && said.contains("offered to 1 devices, 0 have it"), "{said}");

    school.stop().await;
    school.start().await;
    let other = Device::enrol(&school).await;
    let mut fresh = Control::open(&other, &school).await;
    fresh.received(status(wire::Health::Working)).await;
    let told = fresh.directive().await;
    assert!(matches!(&told, Some(Directive::Policy(policy)) if policy.release == 4), "{told:?}");
    assert!(school.command(&["policy", "rollout", "--everybody"]).await.contains("goes to everybody"));
    assert!(ends(&school, 0, &["policy", "status"]).await.contains("release 5 since"));
    assert!(school.command(&["audit", "verify"]).await.contains("acts match"));
}

#[tokio::test]
async fn a_roll_out_never_goes_less_far_and_says_what_it_lacks() {
    let school = School::open().await;
    staff(&school, 3).await;
    assert!(ends(&school, 64, &["policy", "status"]).await.contains("nothing is published yet"));
    publish(&school, 4, &["--percent", "20"]).await;
    for (words, why) in [
        (&["policy", "rollout"][..], "say how far it goes"),
        (&["policy", "rollout", "--percent", "10"], "never goes less far"),
        (&["policy", "rollout", "--percent", "0"], "0 is not in 1..=100"),
        (&["policy", "rollout", "--group", ""], "`--group` is not usable"),
        (&["policy", "rollout", "--everybody", "--percent", "5"], "cannot be used with"),
    ] {
        let said = ends(&school, 64, words).await;
        assert!(said.contains(why), "{words:?}: {said}");
    }
    school.command(&["policy", "rollback"]).await;
    assert!(ends(&school, 64, &["policy", "rollback"]).await.contains("goes no further already"));
}

#[tokio::test]
async fn the_authority_is_rolled_over_by_command_and_retired_once_nobody_is_locked_out() {
    let school = School::open().await;
    let device = Device::enrol(&school).await;
    assert!(ends(&school, 64, &["ca", "retire"]).await.contains("no authority before this one"));
    let before = school.command(&["ca", "status"]).await;

    assert!(school.command(&["ca", "roll-over"]).await.contains("from now on: sha256:"));
    assert!(ends(&school, 64, &["ca", "roll-over"]).await.contains("`ca retire`"));
    let status = school.command(&["ca", "status"]).await;
    assert!(status.contains("1 devices have not renewed since, and may still come until"), "{status}");
    assert_ne!(status.lines().next(), before.lines().next());
    assert!(school.command(&["ca", "export"]).await.contains("until it is retired, also: sha256:"));
    assert!(ends(&school, 64, &["ca", "retire"]).await.contains("it is not retired"));
    school.command(&["device", "revoke", &device.id]).await;
    assert!(school.command(&["ca", "retire"]).await.contains("is retired"));
    assert!(!school.command(&["ca", "status"]).await.contains("rolled over"));
}
