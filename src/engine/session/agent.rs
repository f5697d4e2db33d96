//! Lets steps use ssh agents: to list keys and to sign with them, and for nothing else, as the docker client does.

use std::pin::Pin;

use bollard_buildkit_proto::moby::sshforward::v1::ssh_server::Ssh;
use bollard_buildkit_proto::moby::sshforward::v1::{BytesMessage, CheckAgentRequest, CheckAgentResponse};
use futures_util::Stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming};

use crate::engine::Grants;
use crate::engine::http::{self, Address, Connection};

// Numbers of the agent protocol (draft-miller-ssh-agent, section 5.1).
const LIST_KEYS: u8 = 11;
const SIGN: u8 = 13;
/// A whole message that says no.
const REFUSED: [u8; 5] = [0, 0, 0, 1, 5];
/// What agents take for a message.
const LARGEST: usize = 256 * 1024;

/// The agents that a build may use.
#[derive(Debug)]
pub(super) struct Agents(pub Grants);

impl Agents {
    /// An agent's socket.
    fn socket(&self, id: &str) -> Result<Address, Status> {
        match self.0.agent(id) {
            Some(Ok(socket)) => Ok(Address::Unix(socket)),
            Some(Err(error)) => Err(Status::unknown(error.to_string())),
            None => Err(Status::not_found(format!("unset ssh forward key {id}"))),
        }
    }
}

#[tonic::async_trait]
impl Ssh for Agents {
    type ForwardAgentStream = Pin<Box<dyn Stream<Item = Result<BytesMessage, Status>> + Send>>;

    async fn check_agent(&self, request: Request<CheckAgentRequest>) -> Result<Response<CheckAgentResponse>, Status> {
        self.socket(&request.into_inner().id)?;
        Ok(Response::new(CheckAgentResponse {}))
    }

    async fn forward_agent(
        &self,
        request: Request<Streaming<BytesMessage>>,
    ) -> Result<Response<Self::ForwardAgentStream>, Status> {
        let id = request.metadata().get("buildkit.ssh.id");
        let id = id.and_then(|id| id.to_str().ok()).unwrap_or_default();
        let address = self.socket(id)?;
        let agent = http::connect(&address)
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        let (answers, stream) = mpsc::channel(8);
        tokio::spawn(relay(request.into_inner(), agent, answers));
        let stream = futures_util::stream::unfold(stream, |mut stream| async move {
            let next = stream.recv().await?;
            Some((next, stream))
        });
        Ok(Response::new(Box::pin(stream) as Self::ForwardAgentStream))
    }
}

/// Asks the agent what it may be asked, one question after the other, until the step hangs up.
async fn relay(
    mut asked: Streaming<BytesMessage>,
    mut agent: Connection,
    answers: mpsc::Sender<Result<BytesMessage, Status>>,
) {
    let mut buffer = Vec::new();
    while let Ok(Some(part)) = asked.message().await {
        buffer.extend_from_slice(&part.data);
        while let Some(question) = next_message(&mut buffer) {
            let answer = match question {
                Ok(question) if may_be_asked(&question) => ask(&mut agent, &question).await,
                Ok(_) => Ok(REFUSED.to_vec()),
                Err(error) => Err(error),
            };
            let failed = answer.is_err();
            let answer = answer
                .map(|data| BytesMessage { data })
                .map_err(|error| Status::unavailable(format!("the ssh agent: {error}")));
            if answers.send(answer).await.is_err() || failed {
                return;
            }
        }
    }
}

/// Takes a whole message off the buffer, if there is one.
fn next_message(buffer: &mut Vec<u8>) -> Option<std::io::Result<Vec<u8>>> {
    let length = 4 + length_of(*buffer.first_chunk()?);
    if length > LARGEST {
        return Some(Err(std::io::Error::other("a message is too long")));
    }
    (buffer.len() >= length).then(|| Ok(buffer.drain(..length).collect()))
}

fn length_of(head: [u8; 4]) -> usize {
    u32::from_be_bytes(head) as usize
}

fn may_be_asked(message: &[u8]) -> bool {
    matches!(message.get(4), Some(&LIST_KEYS | &SIGN))
}

async fn ask(agent: &mut Connection, question: &[u8]) -> std::io::Result<Vec<u8>> {
    agent.write_all(question).await?;
    agent.flush().await?;
    let mut head = [0; 4];
    agent.read_exact(&mut head).await?;
    let length = length_of(head);
    if length > LARGEST {
        return Err(std::io::Error::other("an answer is too long"));
    }
    let mut answer = head.to_vec();
    answer.resize(4 + length, 0);
    agent.read_exact(&mut answer[4..]).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_whole_and_only_two_kinds_are_passed_on() {
        let mut buffer = vec![0, 0, 0, 1, LIST_KEYS, 0, 0, 0];
        assert_eq!(
            next_message(&mut buffer).expect("whole").expect("short"),
            [0, 0, 0, 1, LIST_KEYS]
        );
        assert!(next_message(&mut buffer).is_none());
        buffer.extend([2, 17, 1]);
        let add_key = next_message(&mut buffer).expect("whole").expect("short");
        assert!(!may_be_asked(&add_key) && may_be_asked(&[0, 0, 0, 1, SIGN]) && !may_be_asked(&[0, 0, 0, 0]));
        assert!(next_message(&mut vec![1, 0, 0, 0]).expect("told").is_err());
    }
}
