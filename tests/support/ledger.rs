//! One user's account with the gateway: everything that was promised, which is every answer that arrived, and the one
//! request whose answer did not arrive because the gateway was gone.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::dice::Dice;
use super::gateway::{House, PASSWORD};
use super::{Answer, try_send};

/// More sessions than this and some are ended first: far from the number at which a login ends the oldest.
const MOST: usize = 12;

pub struct Account {
    pub email: String,
    password: String,
    /// The sessions that live.
    live: Vec<Chain>,
    /// The tokens that were said to be over.
    over: Vec<Chain>,
    /// How many of those were looked at since.
    seen: usize,
    in_doubt: Option<Asked>,
    changes: u32,
}

/// A session's tokens.
#[derive(Clone)]
struct Chain {
    access: String,
    refresh: String,
    /// The refresh tokens that came before, oldest first.
    before: Vec<String>,
}

/// What was asked for. `usize`: of that session.
#[derive(Clone, Debug)]
enum Asked {
    Login,
    Refresh(usize),
    /// A logout, or a theft that ends the session.
    End(usize),
    EndAll,
    Password(String),
    LockOut,
}

/// Nobody can say whether it was done.
#[derive(Debug)]
pub enum Unanswered {
    /// The connection broke.
    Gone,
    /// The gateway is there, and its store is not.
    Unavailable,
}

type Outcome<T> = Result<T, Unanswered>;

impl Account {
    /// There must be such a user, with [`PASSWORD`].
    pub fn of(email: &str) -> Self {
        let (live, over) = (Vec::new(), Vec::new());
        Self { email: email.into(), password: PASSWORD.into(), live, over, seen: 0, in_doubt: None, changes: 0 }
    }

    pub fn is_in_doubt(&self) -> bool {
        self.in_doubt.is_some()
    }

    /// Do something, and write down what was promised.
    pub fn act(&mut self, gateway: SocketAddr, house: &House, dice: &mut Dice) -> Outcome<()> {
        if self.live.is_empty() {
            return self.login(gateway);
        }
        let any = dice.place(self.live.len());
        match dice.roll(200) {
            0..60 if self.live.len() < MOST => self.login(gateway),
            0..130 => self.refresh(gateway, any),
            130..170 => self.logout(gateway, any, dice),
            170..180 => self.steal(gateway, any),
            180..188 => self.logout_all(gateway),
            188..196 => self.change_password(gateway, any),
            196..198 => self.lock_out(gateway, house),
            _ => self.use_it(gateway, any),
        }
    }

    fn login(&mut self, gateway: SocketAddr) -> Outcome<()> {
        self.in_doubt = Some(Asked::Login);
        let answer = self.try_login(gateway, &self.password)?;
        self.live.push(Chain::of(&expect(&answer, 200), Vec::new()));
        self.settled()
    }

    fn refresh(&mut self, gateway: SocketAddr, place: usize) -> Outcome<()> {
        self.in_doubt = Some(Asked::Refresh(place));
        let answer = refresh(gateway, &self.live[place].refresh)?;
        self.live[place].renew(&expect(&answer, 200));
        self.settled()
    }

    fn logout(&mut self, gateway: SocketAddr, place: usize, dice: &mut Dice) -> Outcome<()> {
        self.in_doubt = Some(Asked::End(place));
        let chain = &self.live[place];
        let answer = match dice.roll(2) {
            0 => post(gateway, "/auth/logout", None, &json!({ "refreshToken": chain.refresh }))?,
            _ => post(gateway, "/auth/logout", Some(&chain.access), &json!({}))?,
        };
        expect(&answer, 200);
        let ended = self.live.remove(place);
        self.over.push(ended);
        self.settled()
    }

    /// A refresh token that is two generations old.
    fn steal(&mut self, gateway: SocketAddr, place: usize) -> Outcome<()> {
        let before = &self.live[place].before;
        let Some(old) = before.len().checked_sub(2).map(|old| before[old].clone()) else { return Ok(()) };
        self.in_doubt = Some(Asked::End(place));
        let answer = refresh(gateway, &old)?;
        assert_eq!(expect(&answer, 401)["code"], "token_reused");
        let ended = self.live.remove(place);
        self.over.push(ended);
        self.settled()
    }

    fn logout_all(&mut self, gateway: SocketAddr) -> Outcome<()> {
        self.in_doubt = Some(Asked::EndAll);
        expect(&post(gateway, "/auth/logout-all", Some(&self.live[0].access), &json!({}))?, 200);
        self.over.append(&mut self.live);
        self.settled()
    }

    fn change_password(&mut self, gateway: SocketAddr, place: usize) -> Outcome<()> {
        self.changes += 1;
        let new = format!("{PASSWORD}, number {}", self.changes);
        self.in_doubt = Some(Asked::Password(new.clone()));
        let body = json!({ "currentPassword": self.password, "newPassword": new });
        let answer = post(gateway, "/auth/password", Some(&self.live[place].access), &body)?;
        let kept = Chain::of(&expect(&answer, 200), Vec::new());
        self.password = new;
        self.over.append(&mut self.live);
        self.live.push(kept);
        self.settled()
    }

    /// By another process: done when that says so, whatever becomes of the gateway meanwhile.
    fn lock_out(&mut self, gateway: SocketAddr, house: &House) -> Outcome<()> {
        self.in_doubt = Some(Asked::LockOut);
        let command = |what| match house.command(&["user", what, &self.email], "").status.success() {
            true => Ok(()),
            false => Err(Unanswered::Unavailable),
        };
        command("disable")?;
        let refused = self.try_login(gateway, &self.password).map(|answer| answer.code());
        command("enable")?;
        self.over.append(&mut self.live);
        self.settled()?;
        assert_eq!(refused?, "invalid_credentials");
        Ok(())
    }

    fn use_it(&mut self, gateway: SocketAddr, place: usize) -> Outcome<()> {
        expect(&guarded(gateway, &self.live[place].access)?, 200);
        Ok(())
    }

    fn settled(&mut self) -> Outcome<()> {
        self.in_doubt = None;
        Ok(())
    }

    /// The gateway is back: find out what became of the request whose answer was lost.
    pub fn settle(&mut self, gateway: SocketAddr, house: &House) -> Outcome<()> {
        match self.in_doubt.take() {
            None | Some(Asked::Login) => {}
            // Whether or not it has rotated, the token presented yields its successor.
            Some(Asked::Refresh(place)) => self.refresh(gateway, place)?,
            Some(Asked::End(place)) => {
                if !self.lives(gateway, place)? {
                    let ended = self.live.remove(place);
                    self.over.push(ended);
                }
            }
            Some(Asked::EndAll) => {
                if !self.all_live(gateway)? {
                    self.over.append(&mut self.live);
                }
            }
            Some(Asked::LockOut) => self.lock_out(gateway, house)?,
            Some(Asked::Password(new)) => {
                let changed = self.try_login(gateway, &new)?.status == 200;
                assert_eq!(self.all_live(gateway)?, !changed, "a changed password and the end of the sessions are one");
                if changed {
                    self.password = new;
                    self.over.append(&mut self.live);
                }
            }
        }
        Ok(())
    }

    /// Everything that lives works, and what is over is refused: all of it, or what is new and a sample of the rest.
    pub fn check(&mut self, gateway: SocketAddr, dice: &mut Dice, all: bool) -> Outcome<()> {
        assert!(!self.is_in_doubt());
        assert!(self.all_live(gateway)? || self.live.is_empty(), "{}: a session is lost", self.email);
        for place in 0..self.live.len() {
            let presented = self.live[place].refresh.clone();
            self.refresh(gateway, place)?;
            let again = expect(&refresh(gateway, &presented)?, 200);
            assert_eq!(again["refreshToken"], self.live[place].refresh.as_str(), "the same successor, byte for byte");
        }
        for (place, chain) in self.over.iter().enumerate() {
            if all || place >= self.seen || dice.roll(20) == 0 {
                assert_eq!(expect(&guarded(gateway, &chain.access)?, 401)["code"], "session_revoked", "{}", self.email);
                let refreshed = refresh(gateway, &chain.refresh)?;
                assert_eq!(expect(&refreshed, 401)["code"], "session_revoked", "{}", self.email);
            }
        }
        self.seen = self.over.len();
        Ok(())
    }

    fn lives(&self, gateway: SocketAddr, place: usize) -> Outcome<bool> {
        let answer = guarded(gateway, &self.live[place].access)?;
        assert!(answer.status == 200 || answer.code() == "session_revoked", "{answer:?}");
        Ok(answer.status == 200)
    }

    /// True if all of them do, and false if none does; anything between is half of a change.
    fn all_live(&self, gateway: SocketAddr) -> Outcome<bool> {
        let mut living = 0;
        for place in 0..self.live.len() {
            living += usize::from(self.lives(gateway, place)?);
        }
        assert!(living == 0 || living == self.live.len(), "{}: {living} of {} live", self.email, self.live.len());
        Ok(living > 0)
    }

    fn try_login(&self, gateway: SocketAddr, password: &str) -> Outcome<Answer> {
        let body = json!({ "email": self.email, "password": password, "client": "mobile" });
        post(gateway, "/auth/login", None, &body)
    }
}

impl Chain {
    fn of(tokens: &Value, before: Vec<String>) -> Self {
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        Self { access: text("accessToken"), refresh: text("refreshToken"), before }
    }

    fn renew(&mut self, tokens: &Value) {
        let mut before = std::mem::take(&mut self.before);
        before.push(self.refresh.clone());
        *self = Self::of(tokens, before);
    }
}

fn expect(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.body);
    answer.json()
}

fn guarded(gateway: SocketAddr, access: &str) -> Outcome<Answer> {
    let bearer = format!("Bearer {access}");
    let answer = answered(try_send(gateway, "GET", "/guarded", &[("authorization", &bearer)], None))?;
    Ok(Answer { body: if answer.status == 200 { "{}".into() } else { answer.body }, ..answer })
}

fn refresh(gateway: SocketAddr, token: &str) -> Outcome<Answer> {
    post(gateway, "/auth/refresh", None, &json!({ "refreshToken": token }))
}

fn post(gateway: SocketAddr, path: &str, access: Option<&str>, body: &Value) -> Outcome<Answer> {
    let bearer = access.map(|access| format!("Bearer {access}"));
    let fields = bearer.iter().map(|bearer| ("authorization", bearer.as_str()));
    let fields: Vec<_> = fields.chain([("content-type", "application/json")]).collect();
    answered(try_send(gateway, "POST", path, &fields, Some(body.to_string().as_bytes())))
}

fn answered(answer: Option<Answer>) -> Outcome<Answer> {
    match answer {
        None => Err(Unanswered::Gone),
        Some(answer) if answer.status == 503 => Err(Unanswered::Unavailable),
        Some(answer) => Ok(answer),
    }
}
