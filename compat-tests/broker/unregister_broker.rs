//! UnregisterBroker: a broker is forgotten.

use kafka_protocol::messages::{BrokerId, UnregisterBrokerRequest};

use super::support::Broker;

#[test]
fn a_broker_that_nobody_knows_cannot_be_forgotten() {
    let broker = Broker::shared();
    let request = UnregisterBrokerRequest::default().with_broker_id(BrokerId(4711));
    let answer = broker.connect().call(&request, 0);
    let message = Some("Broker ID 4711 is not currently registered");
    assert_eq!((answer.error_code, answer.error_message.as_deref()), (102, message));
}
