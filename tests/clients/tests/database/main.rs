//! The database client against real databases: one contract, the same functions for each backend.
//!
//! What needs PostgreSQL or MariaDB is left out by `cargo test`; `scripts/test` runs it.

mod configuration;
mod contract;
mod embedded;
mod encrypted;
mod faults;
mod world;

use world::World;

/// What holds for every backend.
macro_rules! everywhere {
    ($tests:ident $backend:ident) => {
        $tests! {
            $backend:
            contract::a_session_is_written_when_its_body_is_done_and_not_when_it_fails,
            contract::what_is_dropped_or_panics_or_is_kept_is_rolled_back_and_gives_its_slot_back,
            contract::an_open_session_is_written_by_commit_and_by_nothing_else,
            contract::a_session_that_only_reads_cannot_write,
            contract::what_the_statement_is_to_blame_for_is_told_at_once_and_opens_nothing,
            contract::a_savepoint_undoes_a_part,
            contract::an_open_session_has_the_time_of_one_attempt,
            contract::a_pool_that_is_too_small_says_so_and_not_that_the_server_is_away,
            contract::a_session_that_is_in_anothers_way_is_tried_again_until_it_passes,
            contract::numbers_texts_bytes_and_nothing_go_there_and_back,
            contract::health_is_asked_of_the_database_itself,
            contract::code_that_is_not_async_has_sessions_too,
        }
    };
}

/// What holds for servers, which can be away, hang and lose what they answer.
macro_rules! of_servers {
    ($tests:ident $backend:ident) => {
        $tests! {
            $backend:
            contract::a_body_that_goes_on_after_its_transaction_has_ended_is_not_written,
            contract::a_statement_that_takes_too_long_ends_on_the_server_too,
            contract::a_refused_login_is_told_at_once_and_without_the_password,
            faults::the_program_may_start_before_its_database,
            faults::a_server_that_is_killed_and_restarted_loses_and_doubles_nothing,
            faults::a_server_that_stands_still_longer_than_the_limit_loses_and_doubles_nothing,
            faults::connections_that_are_reset_lose_and_double_nothing,
            faults::answers_that_are_cut_in_half_lose_and_double_nothing,
            faults::latency_is_waited_for_as_long_as_it_is_below_the_limit,
            faults::a_commit_whose_answer_is_lost_is_told_as_such_and_never_sent_again,
            faults::a_commit_that_nobody_answers_is_cut_off_and_never_sent_again,
            faults::idle_connections_that_died_are_replaced_in_one_attempt,
            encrypted::a_certificate_that_nobody_vouches_for_is_refused_and_one_that_is_is_not,
        }
    };
}

macro_rules! embedded {
    ($backend:ident: $($file:ident::$promise:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $promise() {
            crate::$file::$promise(&crate::World::$backend()).await;
        }
    )*};
}

macro_rules! served {
    ($backend:ident: $($file:ident::$promise:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        #[cfg_attr(not(feature = "servers"), ignore = "needs a database server: scripts/test")]
        async fn $promise() {
            crate::$file::$promise(&crate::World::$backend()).await;
        }
    )*};
}

mod sqlite {
    everywhere!(embedded sqlite);
    embedded! {
        sqlite:
        embedded::a_file_whose_folder_is_away_is_told_and_used_once_it_is_there,
        embedded::a_writer_that_is_killed_loses_nothing_that_it_was_told_is_written,
        embedded::a_lock_that_outlasts_the_limit_is_waited_for_and_told,
        embedded::readers_and_a_writer_keep_out_of_each_others_way,
        embedded::a_statement_without_end_is_ended_with_its_thread,
        embedded::a_database_in_memory_has_one_connection_and_keeps_it,
    }
}

mod postgres {
    everywhere!(served postgres);
    of_servers!(served postgres);
    served! {
        postgres:
        faults::idle_connections_that_hang_are_replaced_in_one_attempt,
        configuration::postgres_as_such_has_its_own_types,
    }
}

mod mariadb {
    everywhere!(served mariadb);
    of_servers!(served mariadb);
    served! { mariadb: configuration::mysql_as_such_has_its_own_types }
}
