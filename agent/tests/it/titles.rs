//! Window titles on a virtual screen.

use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use lapwing_agent::observation::Observation;
use lapwing_agent::platform::{Display, Titles};
use lapwing_agent::sensor::{HealthBoard, Reason, Sensor as _, SensorHealth};
use lapwing_agent::shutdown::Shutdown;
use tokio::sync::mpsc;

use crate::desktop::{Desktop, Program};
use crate::seeing::{Seeing, session};

fn watch(desktop: &Desktop) -> Seeing {
    Seeing::with(Titles::new(session(), Display::X11(desktop.name.clone())))
}

/// A screen with a manager and a sensor that has found it.
async fn working() -> Option<(Desktop, Program, Seeing)> {
    let desktop = Desktop::bare()?;
    let manager = desktop.manage()?;
    let seeing = watch(&desktop);
    seeing.is(SensorHealth::Working).await;
    Some((desktop, manager, seeing))
}

/// The next title, past the moments in which nothing is in front.
async fn next_title(seeing: &mut Seeing) -> (u64, String, String) {
    loop {
        if let Observation::Title { window, title, app, .. } = seeing.next().await {
            return (window, title, app);
        }
    }
}

#[tokio::test]
async fn a_new_window_a_new_title_and_a_closed_window_are_seen() {
    let Some((desktop, _manager, mut seeing)) = working().await else { return };
    let first = desktop.open("Fractions – Year 5");
    let (first_id, title, app) = next_title(&mut seeing).await;
    assert_eq!((title.as_str(), app.as_str()), ("Fractions – Year 5", "Exercise"));
    first.rename("Decimals – Year 5");
    assert_eq!(next_title(&mut seeing).await.1, "Decimals – Year 5");
    let second = desktop.open("Timetable");
    let (second_id, title, _) = next_title(&mut seeing).await;
    assert_eq!(title, "Timetable");
    assert_ne!(first_id, second_id);
    second.close();
    assert_eq!(next_title(&mut seeing).await.0, first_id);
}

#[tokio::test]
async fn a_window_that_takes_the_number_of_one_just_closed_is_seen_and_followed() {
    let Some(desktop) = Desktop::bare() else { return };
    desktop.manage_alone();
    let mut seeing = watch(&desktop);
    seeing.is(SensorHealth::Working).await;
    let first = desktop.open("first");
    desktop.bring_to_front(&first);
    let (number, title, _) = next_title(&mut seeing).await;
    assert_eq!(title, "first");
    let second = desktop.replace(first, "second");
    assert_eq!(next_title(&mut seeing).await, (number, "second".to_owned(), "Exercise".to_owned()));
    second.rename("second, renamed");
    assert_eq!(next_title(&mut seeing).await.1, "second, renamed");
}

#[tokio::test]
async fn the_same_title_in_a_new_window_of_the_same_number_is_seen_again() {
    let Some(desktop) = Desktop::bare() else { return };
    desktop.manage_alone();
    let mut seeing = watch(&desktop);
    seeing.is(SensorHealth::Working).await;
    let first = desktop.open("again");
    desktop.bring_to_front(&first);
    let (number, title, _) = next_title(&mut seeing).await;
    let _second = desktop.replace_unsaid(first, "again");
    assert_eq!(next_title(&mut seeing).await, (number, title, "Exercise".to_owned()));
}

#[tokio::test]
async fn a_title_as_of_old_and_a_huge_one_are_read_within_bounds() {
    let Some((desktop, _manager, mut seeing)) = working().await else { return };
    let window = desktop.open("first");
    assert_eq!(next_title(&mut seeing).await.1, "first");
    window.rename(&"é".repeat(20_000));
    let huge = next_title(&mut seeing).await.1;
    assert_eq!(huge, "é".repeat(2048));
    window.rename_as_of_old(b"caf\xe9");
    let mut title = next_title(&mut seeing).await.1;
    if title == huge {
        title = next_title(&mut seeing).await.1;
    }
    assert_eq!(title, "café");
}

#[tokio::test]
async fn a_screen_without_a_manager_is_blind_until_one_appears_and_again_when_it_dies() {
    let Some(desktop) = Desktop::bare() else { return };
    let mut seeing = watch(&desktop);
    seeing.is(SensorHealth::Blind(Reason::NoWindowManager, None)).await;
    let Some(manager) = desktop.manage() else { return };
    seeing.is(SensorHealth::Working).await;
    let _window = desktop.open("seen");
    assert_eq!(next_title(&mut seeing).await.1, "seen");
    drop(manager);
    seeing.is(SensorHealth::Blind(Reason::NoWindowManager, None)).await;
    let Some(_manager) = desktop.manage() else { return };
    seeing.is(SensorHealth::Working).await;
}

#[tokio::test]
async fn the_end_of_the_display_is_the_end_of_the_session() {
    let Some(desktop) = Desktop::bare() else { return };
    let Some(manager) = desktop.manage() else { return };
    let sensor = Titles::new(session(), Display::X11(desktop.name.clone())).waiting(Duration::ZERO);
    let seeing = Seeing::with(sensor);
    seeing.is(SensorHealth::Working).await;
    desktop.end();
    seeing.is(SensorHealth::Blind(Reason::SessionEnded, None)).await;
    drop(manager);
}

#[tokio::test]
async fn a_display_whose_server_starts_anew_is_seen_again() {
    let Some((desktop, manager, mut seeing)) = working().await else { return };
    desktop.open("before");
    assert_eq!(next_title(&mut seeing).await.1, "before");
    let name = desktop.name.clone();
    desktop.end();
    drop(manager);
    seeing.is(SensorHealth::Blind(Reason::NoDisplay, None)).await;
    let Some(desktop) = Desktop::named(&name) else { return };
    let Some(_manager) = desktop.manage() else { return };
    seeing.is(SensorHealth::Working).await;
    let _window = desktop.open("after");
    assert_eq!(next_title(&mut seeing).await.1, "after");
}

#[tokio::test]
async fn a_sensor_without_titles_to_see_says_why() {
    let reasons = [(Display::None, Reason::NoDisplay), (Display::Wayland, Reason::WaylandWithoutTitles)];
    for (display, reason) in reasons {
        let seeing = Seeing::with(Titles::new(session(), display));
        seeing.is(SensorHealth::Unavailable(reason, None)).await;
        assert!(seeing.stop().await.is_empty());
    }
}

/// The service takes a program that ends for a session that is over, and would no longer know the reason.
#[tokio::test]
async fn on_a_desktop_that_tells_no_titles_the_sensor_lasts_as_long_as_the_session() {
    let ((out, _observations), shutdown) = (mpsc::channel(1), Shutdown::new());
    let sensor = Titles::new(session(), Display::Wayland);
    let mut run = pin!(sensor.run(out, HealthBoard::new(), shutdown.clone()));
    assert!(run.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    shutdown.request();
    run.await;
}
