//! One attempt at a connection: find the server, get in, and have it answer.

use std::time::Duration;

use redis::aio::{AsyncPushSender, MultiplexedConnection};
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
    RedisError, TlsCertificates, Value,
};
use tokio::time::timeout;

use super::address::{Address, Host, Place};
use super::failure::{Failure, explain};

/// For one attempt at one server: several round trips, and the handshake of TLS.
const WITHIN: Duration = Duration::from_secs(1);

/// A server that has gone without a word is noticed by the kernel within seconds, also when nobody asks it anything.
const SILENCE: Duration = Duration::from_secs(3);

/// Commands of many callers that may wait for their turn on the line.
const QUEUED: usize = 512;

pub(super) async fn connect(
    address: &Address,
    answers_within: Duration,
    pushes: impl AsyncPushSender,
) -> Result<MultiplexedConnection, Failure> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(WITHIN))
        .set_response_timeout(Some(answers_within))
        .set_pipeline_buffer_size(QUEUED)
        .set_push_sender(pushes);
    match &address.place {
        Place::Server(host) => {
            let mut connection = reach(address, host, login(address), &config).await?;
            // A server that accepts may still be one that does not answer, or not yet.
            answered(redis::cmd("PING").query_async::<Value>(&mut connection), host).await?;
            Ok(connection)
        }
        Place::Sentinels { sentinels, master } => {
            let host = ask_sentinels(address, sentinels, master).await?;
            let mut connection = reach(address, &host, login(address), &config).await?;
            let role = answered(redis::cmd("ROLE").query_async::<Value>(&mut connection), &host).await?;
            match role {
                Value::Array(role) if role.first().is_some_and(|role| text(role) == Some("master")) => Ok(connection),
                _ => Err(Failure::Away(format!("Redis at {host} is not the master yet").into())),
            }
        }
    }
}

/// The first sentinel that knows.
async fn ask_sentinels(address: &Address, sentinels: &[Host], master: &str) -> Result<Host, Failure> {
    let config =
        AsyncConnectionConfig::new().set_connection_timeout(Some(WITHIN)).set_response_timeout(Some(WITHIN / 2));
    let mut why = Failure::Away("there are no sentinels".into());
    for sentinel in sentinels {
        let mut command = redis::cmd("SENTINEL");
        command.arg("GET-MASTER-ADDR-BY-NAME").arg(master);
        // Sentinels rarely ask for a password; those that do mostly ask for the same one.
        for entry in [anonymous(), login(address).set_db(0)] {
            let asked = async {
                let mut connection = reach(address, sentinel, entry, &config).await?;
                answered(command.query_async::<Value>(&mut connection), sentinel).await
            };
            let failure = match asked.await {
                Ok(Value::Array(found)) => match found.as_slice() {
                    [name, port] => match (text(name), text(port).and_then(|port| port.parse().ok())) {
                        (Some(name), Some(port)) => return Ok(Host { name: name.to_owned(), port }),
                        _ => Failure::Away(format!("the sentinel at {sentinel} answers without sense").into()),
                    },
                    _ => Failure::Away(format!("the sentinel at {sentinel} answers without sense").into()),
                },
                Ok(_) => Failure::Away(format!("the sentinel at {sentinel} knows no master {master}").into()),
                Err(failure) => failure,
            };
            let wants_password = failure.code() == Some("NOAUTH");
            why = failure;
            if !wants_password {
                break;
            }
        }
    }
    Err(why)
}

async fn reach(
    address: &Address,
    host: &Host,
    login: RedisConnectionInfo,
    config: &AsyncConnectionConfig,
) -> Result<MultiplexedConnection, Failure> {
    let client = client(address, host, login).map_err(|error| named(host, error))?;
    let connecting = client.get_multiplexed_async_connection_with_config(config);
    answered(connecting, host).await
}

async fn answered<T>(answer: impl Future<Output = redis::RedisResult<T>>, host: &Host) -> Result<T, Failure> {
    match timeout(WITHIN, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(named(host, error)),
        Err(_) => Err(Failure::Away(format!("Redis at {host} does not answer").into())),
    }
}

/// Says who did not answer; what a server has answered stays as it is.
fn named(host: &Host, error: RedisError) -> Failure {
    match error.kind() {
        ErrorKind::Io => Failure::Away(format!("Redis at {host} cannot be reached: {}", reason(&error)).into()),
        _ if error.code().is_some() || error.kind() == ErrorKind::AuthenticationFailed => Failure::Answer(error),
        _ => Failure::Away(format!("Redis at {host}: {}", explain(&error)).into()),
    }
}

fn reason(error: &RedisError) -> String {
    if error.is_timeout() { "it does not answer in time".into() } else { error.to_string() }
}

fn client(address: &Address, host: &Host, login: RedisConnectionInfo) -> Result<Client, RedisError> {
    let Host { name, port } = host.clone();
    let place = match &address.tls {
        None => ConnectionAddr::Tcp(name, port),
        Some(_) => ConnectionAddr::TcpTls { host: name, port, insecure: false, tls_params: None },
    };
    let keepalive = TcpKeepalive::new().with_time(SILENCE).with_interval(SILENCE / 3).with_retries(3);
    let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive).set_user_timeout(SILENCE);
    let info = place.into_connection_info()?.set_tcp_settings(tcp).set_redis_settings(login);
    match address.tls.as_ref().and_then(|tls| tls.ca.clone()) {
        Some(ca) => Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: Some(ca) }),
        None => Client::open(info),
    }
}

fn anonymous() -> RedisConnectionInfo {
    RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3)
}

fn login(address: &Address) -> RedisConnectionInfo {
    let mut login = anonymous().set_db(address.database.into());
    if let Some(username) = &address.username {
        login = login.set_username(username);
    }
    if let Some(password) = address.password.as_ref().and_then(|password| password.expose_str()) {
        login = login.set_password(password);
    }
    login
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}
