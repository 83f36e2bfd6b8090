//! What is known of those that were asked for: each by itself, and all as one check.

use resilient::factory::startup::{Status, Strategy};
use resilient::{HealthStatus, check_health};

use super::toy::{Act, World, alone};

#[tokio::test(start_paused = true)]
async fn the_check_is_healthy_while_all_that_were_asked_for_are_active_degraded_while_some_and_unhealthy_while_none_is()
 {
    alone(async |_| {
        let world = World::of(&[("A", &[Act::Up]), ("B", &[Act::Fails])]);
        let toys = world.builder().health_check("exchanges").max_attempts(1).build().unwrap();
        let status = async || {
            let report = check_health().await.remove("exchanges").unwrap();
            (report.status, report.message.unwrap_or_default(), report.details["active"].clone())
        };
        assert_eq!(status().await, (HealthStatus::Healthy, String::new(), "0 of 0".into()));
        let up = toys.create_all(["A", "B"], Strategy::ContinueOnError).await.unwrap();
        assert_eq!(status().await, (HealthStatus::Degraded, "not active: B".into(), "1 of 2".into()));
        up["A"].becomes(Status::Error);
        assert_eq!(
            status().await,
            (HealthStatus::Unhealthy, "no exchange is active".into(), "0 of 2".into())
        );
        up["A"].becomes(Status::Active);
        assert!(toys.cleanup_unused(["A"]).await.is_empty());
        assert_eq!(status().await, (HealthStatus::Healthy, String::new(), "1 of 1".into()));
        drop((toys, up));
        assert!(check_health().await.is_empty(), "the check lives as long as the components");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_held_and_not_active_is_neither_healthy_nor_among_the_active() {
    alone(async |_| {
        let world = World::of(&[("A", &[Act::Up]), ("B", &[Act::Up])]);
        let toys = world.toys();
        let up = toys.create_all(["A", "B"], Strategy::FailFast).await.unwrap();
        up["A"].becomes(Status::Connecting);
        assert!(!toys.health_check("A") && toys.health_check("B") && !toys.health_check("C"));
        let all: Vec<_> = toys.health_check_all().into_iter().collect();
        assert_eq!(all, [("A".to_owned(), false), ("B".to_owned(), true)]);
        assert_eq!(toys.active().keys().collect::<Vec<_>>(), ["B"]);
        assert_eq!(toys.instances().len(), 2);
        assert_eq!(toys.summary().active, ["B"]);
    })
    .await;
}
