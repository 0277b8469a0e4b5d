-- Routing and local accounts. This text runs unchanged on SQLite, PostgreSQL and MariaDB: no booleans, no serials, no
-- upserts, no operators that differ. All names are stored in lower case: the databases do not agree on case.

CREATE TABLE domain (
  name VARCHAR(255) PRIMARY KEY,                            -- A-labels
  kind VARCHAR(8) NOT NULL DEFAULT 'local',                 -- local | relay | alias
  target VARCHAR(255),                                      -- relay: next hop; alias: the real domain
  default_quota_kib BIGINT,
  enabled SMALLINT NOT NULL DEFAULT 1);

CREATE TABLE backend (
  name VARCHAR(255) PRIMARY KEY,                            -- as the mailbox list names it
  lmtp VARCHAR(255) NOT NULL,                               -- host:port
  imap VARCHAR(255) NOT NULL,
  pop3 VARCHAR(255),
  tls VARCHAR(8) NOT NULL DEFAULT 'starttls',               -- none (loopback only) | starttls
  capacity_users BIGINT NOT NULL DEFAULT 100000,            -- it gets no new users beyond this
  state VARCHAR(8) NOT NULL DEFAULT 'up');                  -- up | drain | down

CREATE TABLE mailbox_user (
  login VARCHAR(255) PRIMARY KEY,
  ad_guid CHAR(36) UNIQUE,
  backend VARCHAR(255) NOT NULL REFERENCES backend(name),
  partition_name VARCHAR(64) NOT NULL DEFAULT 'default',
  quota_kib BIGINT,
  keep_copy SMALLINT NOT NULL DEFAULT 1,
  enabled SMALLINT NOT NULL DEFAULT 1,
  updated BIGINT NOT NULL DEFAULT 0);                       -- seconds since 1970
CREATE INDEX mailbox_user_backend ON mailbox_user(backend);

CREATE TABLE account (
  login VARCHAR(255) PRIMARY KEY,                           -- an administrator needs no mailbox
  password_hash VARCHAR(255) NOT NULL,                      -- PHC string, Argon2id
  enabled SMALLINT NOT NULL DEFAULT 1,
  updated BIGINT NOT NULL DEFAULT 0);

CREATE TABLE address (
  address VARCHAR(255) NOT NULL PRIMARY KEY,                -- '@domain' is the catch-all, never of kind mailbox
  domain VARCHAR(255) NOT NULL REFERENCES domain(name),
  kind VARCHAR(8) NOT NULL,                                 -- mailbox | forward | list | reject
  login VARCHAR(255) REFERENCES mailbox_user(login),
  reject_text VARCHAR(255),
  enabled SMALLINT NOT NULL DEFAULT 1);
CREATE INDEX address_login ON address(login);
CREATE INDEX address_domain ON address(domain);

CREATE TABLE member (                                       -- of a mailbox address: forwards besides or instead of it
  address VARCHAR(255) NOT NULL REFERENCES address(address),
  target VARCHAR(255) NOT NULL,
  PRIMARY KEY (address, target));

CREATE TABLE list_policy (
  address VARCHAR(255) PRIMARY KEY REFERENCES address(address),
  owner VARCHAR(255),
  who_may_send VARCHAR(8) NOT NULL DEFAULT 'anyone',
  ad_group VARCHAR(255));

CREATE TABLE route_change (                                 -- each writer adds a row; readers then drop their caches
  id INTEGER PRIMARY KEY,
  at BIGINT NOT NULL,
  what VARCHAR(255) NOT NULL);

CREATE VIEW route AS
  SELECT a.address, a.domain, a.kind, a.login, u.backend, u.partition_name, u.quota_kib, u.keep_copy,
         b.lmtp, b.imap, b.state, a.reject_text
  FROM address a
  JOIN domain d ON d.name = a.domain
  LEFT JOIN mailbox_user u ON u.login = a.login AND u.enabled = 1
  LEFT JOIN backend b ON b.name = u.backend
  WHERE a.enabled = 1 AND d.enabled = 1 AND d.kind = 'local' AND (a.kind <> 'mailbox' OR u.login IS NOT NULL);
