//! Constructors that the linker lists.

use resilient::component;
use resilient::factory::{Asked, BadRequest, BoxError, Factory, FactoryError};
use std::sync::Arc;

trait Exchange: Send + Sync {
    fn name(&self) -> String;
}

impl Exchange for String {
    fn name(&self) -> String {
        self.clone()
    }
}

#[component("mexc")]
fn mexc(asked: Asked<u16>) -> Result<Arc<dyn Exchange>, std::io::Error> {
    Ok(Arc::new(format!("{} on port {}", asked.name, asked.context)))
}

#[component("gateio")]
#[component(name = "gate.io")]
async fn gateio(asked: Asked<u16>) -> Result<Arc<dyn Exchange>, BoxError> {
    tokio::task::yield_now().await;
    Ok(Arc::new(format!("{} on port {}", asked.name, asked.context)))
}

/// Of other types.
#[component("mexc")]
fn another(_: Asked) -> Result<Arc<dyn Exchange>, BoxError> {
    Ok(Arc::new("the one without a context".to_owned()))
}

#[component("sized")]
fn sized(asked: Asked<(), u8>) -> Result<Arc<u8>, BadRequest> {
    if asked.options == 0 { Err(BadRequest::new("zero")) } else { Ok(Arc::new(asked.options)) }
}

#[component("never")]
#[cfg(any())]
fn never(_: Asked<u16>) -> Result<Arc<dyn Exchange>, BoxError> {
    unreachable!()
}

fn exchanges() -> Factory<dyn Exchange, u16> {
    Factory::<dyn Exchange, _, _>::builder("exchanges").context(443).build().unwrap()
}

#[tokio::test]
async fn what_the_linker_lists_is_there_from_the_beginning_as_what_was_built_in() {
    let exchanges = exchanges();
    assert_eq!(exchanges.names(), ["gate.io", "gateio", "mexc"]);
    for name in exchanges.names() {
        assert!(exchanges.is_builtin(&name) && !exchanges.is_plugin(&name));
        assert_eq!(exchanges.create(&name, &()).await.unwrap().name(), format!("{name} on port 443"));
    }
    assert!(matches!(exchanges.register("mexc", mexc), Err(FactoryError::Taken { .. })));
}

#[test]
fn only_factories_of_exactly_its_types_find_a_constructor() {
    let other: Factory<dyn Exchange> = Factory::new("other").unwrap();
    assert_eq!(other.names(), ["mexc"]);
    assert_eq!(other.create_blocking("mexc", &()).unwrap().name(), "the one without a context");
    let sized: Factory<u8, (), u8> = Factory::new("sized").unwrap();
    assert_eq!(*sized.create_blocking("sized", &7).unwrap(), 7);
    assert!(sized.create_blocking("sized", &0).unwrap_err().is_callers_mistake());
    assert!(Factory::<u8, (), u16>::new("none").unwrap().names().is_empty());
}

#[test]
fn a_factory_may_go_without() {
    let alone = Factory::<dyn Exchange, _, _>::builder("alone").context(1).without_linked().build().unwrap();
    assert!(alone.names().is_empty());
    alone.register("mexc", mexc).unwrap();
    assert!(alone.is_plugin("mexc"));
}

#[test]
fn the_function_is_what_it_was() {
    let factory: Factory<u8, (), u8> =
        Factory::<u8, _, _>::builder("f").without_linked().register("sized", sized).build().unwrap();
    assert_eq!(*factory.create_blocking("sized", &9).unwrap(), 9);
}

mod twice {
    use super::{Arc, Asked, BoxError, Factory, component};

    struct Twin;

    #[component("twin")]
    fn one(_: Asked) -> Result<Arc<Twin>, BoxError> {
        Ok(Arc::new(Twin))
    }

    #[component("twin")]
    async fn other(_: Asked) -> Result<Arc<Twin>, BoxError> {
        Ok(Arc::new(Twin))
    }

    #[test]
    fn d000_09_two_of_one_name_are_an_error_that_says_where_both_are() {
        let error = Factory::<Twin>::new("twins").unwrap_err().to_string();
        assert!(error.starts_with("factory 'twins': two constructors are linked as 'twin', at "), "{error}");
        assert_eq!(error.matches("component.rs:").count(), 2, "{error}");
        let alone = Factory::<Twin, _, ()>::builder("alone").without_linked().build().unwrap();
        assert!(alone.names().is_empty());
    }
}

/// A user's own crate that re-exports ours.
mod vendor {
    pub(crate) mod ours {
        pub(crate) use resilient::factory;
    }
}

#[component("vendored", crate = crate::vendor::ours)]
fn vendored(_: Asked<i8>) -> Result<Arc<i8>, BoxError> {
    Ok(Arc::new(-1))
}

#[test]
fn the_crate_may_have_another_name() {
    let factory: Factory<i8, i8> = Factory::new("vendored").unwrap();
    assert_eq!(*factory.create_blocking("vendored", &()).unwrap(), -1);
}
