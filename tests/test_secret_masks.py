"""Secrets in text: hostile and ordinary lines, terminals that split a secret, and what a mask may never hide."""

import json

import pytest

from loglake_assets.reviews.secret_masks import KINDS, PLACEHOLDER, masked_line, masked_text, secrets_in

S = "Hunter2Zz9"  # made up, as every other value here is

SECRET = {
    "option": [
        f"mysql -u root -p{S} shop",
        f"mysqldump --password {S}",
        f"sshpass -p {S} ssh a@b",
        f"sshpass -p{S} ssh a@b",
        f"curl -u bob:{S} https://example.com",
        f"curl -sSLu 'bob:{S}' https://example.com",
        f"redis-cli -h cache -a {S}",
        f"docker login -u bob -p {S} registry.example.com",
        f"vault login {S}",
        f"psql -c \"ALTER USER x PASSWORD '{S}'\"",
        f"CREATE USER x IDENTIFIED BY '{S}'",
        f"echo {S} | sudo -S ls",
        f"echo root:{S} | chpasswd",
        f"sudo -S ls <<< {S}",
        f"openssl rsa -passin pass:{S} -in key.pem",
        f"az login --service-principal -u app --client-secret {S}",
        f"kubectl create secret generic db --from-literal=pw={S}",
        f"aws configure set aws_secret_access_key {S}",
        f"aws secretsmanager put-secret-value --secret-id db --secret-string {S}",
        f"New-User -Password {S}",
        f"htpasswd -b users bob {S}",
        f"smbclient -U bob%{S} //host/share",
        f"aws ssm put-parameter --name /a/b --type SecureString --value {S}",
        f"aws ssm put-parameter --value={S} --name /a/b --type SecureString",
        f"Write-SSMParameter -Name a -Type SecureString -Value '{S}'",
        f"openssl enc -aes-256-cbc -k {S} -in a -out b",
        f"openssl aes-256-cbc -d -in a -K {S} -iv 00",
        f"openssl dgst -sha256 -hmac {S} a.txt",
        f"net user bob {S}! /add",
        f"net.exe user bob {S} /domain",
        f"net use Z: \\\\host\\share {S} /user:bob",
        f"sqlplus scott/{S}@db",
        f"sqlplus -s 'scott/{S}@//db.example.com:1521/shop' @report.sql",
        f'sqlplus -M "HTML ON" scott/{S}',
        f"impdp system/{S}@db directory=d",
        f"rman target sys/{S}@db",
        f"exp userid=scott/{S} file=a.dmp",
        f"SQL> connect scott/{S}@db",
        f"isql -Usa -P{S}",
        f"isql -U sa -P {S} -S db",
        f"isql -v shop bob {S}",
        f"rabbitmqctl change_password a {S}",
        f"rabbitmqctl -n rabbit@a add_user a '{S}'",
        f"rabbitmqadmin -u bob -p {S} list queues",
        f"nmcli device wifi connect home password {S}",
        f"nmcli connection modify home wifi-sec.psk {S}",
        f"wpa_passphrase home {S}",
    ],
    "assignment": [
        f"export AWS_SECRET_ACCESS_KEY={S}",
        f"AWS Secret Access Key [None]: {S}",
        f"PGPASSWORD={S} psql",
        f"docker run -e MYSQL_ROOT_PASSWORD='{S}' mysql",
        f"password: {S}",
        f"db.password = {S}",
        f"  secret_key: {S}",
        f"'password' => '{S}',",
        f'{{"password":"{S}","x":1}}',
        f'{{\\"SecretAccessKey\\": \\"{S}\\", \\"a\\": 1}}',
        f"<password>{S}</password>",
        f"The password is {S}",
        f"Server=db;Pwd={S};Database=x",
        f"https://example.com/x?token={S}&a=1",
        f"export GITHUB_TOKEN=\\\n> {S}",
    ],
    "header": [
        f'curl -H "Authorization: Bearer {S}" https://example.com',
        f'{{"Authorization": "Basic {S}Qm9iOmh1bnRlcjI="}}',
        f"Cookie: session={S}; other={S}",
        f"curl -b 'session={S}' https://example.com",
    ],
    "url": [
        f"psql postgres://bob:{S}@db.example.com/shop",
        f"git clone https://bob:p@{S}@example.com/x.git",
        f"https://b.example.com/k?X-Amz-Date=1&X-Amz-Signature={S * 6}",
    ],
    "token": [
        f"ghp_{S * 4}",
        f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.{S}",
        f"AKIA{'EXAMPLE' * 2}AB 2026-11-01 {S * 4}",
    ],
    "hash": [f"root:$6$saltsalt${S * 3}:19000:0:99999:7:::"],
    "private_key": [f"-----BEGIN RSA PRIVATE KEY-----\n{S * 6}\n{S}=\n-----END RSA PRIVATE KEY-----"],
}

ORDINARY = [
    "ls -l /etc/passwd",
    "[sudo] password for alice: ",
    "Password: ",
    "passwd: password updated successfully",
    "passwd: all authentication tokens updated successfully.",
    "mysql -u root -p",
    "mysql -h db -P 3306 -u root -p shop",
    "Accepted password for root from 203.0.113.4 port 22",
    "tokens: 1,234",
    '{"maxTokens":100,"inputTokens":5}',
    "aws sts get-session-token",
    "aws logs get-log-events --next-token abc123DEF",
    '{"tokenValue":"HIDDEN_DUE_TO_SECURITY_REASONS","clientRequestToken":"a-b"}',
    "PWD=/home/alice",
    "export PASSWORD=$PW",
    'PASSWORD="$(curl -s https://example.com/run | sh)"',
    "aws secretsmanager get-secret-value --secret-id prod/db",
    "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-AbCdEf",
    "kubectl get secret my-secret -o yaml",
    "ssh -p 2222 host",
    "mkdir -p /a/b",
    "ps -p 123",
    "curl -u bob https://example.com",
    "curl -sSL https://example.com/install | sh",
    "http://127.0.0.1:3000/",
    "ssh://git@example.com/x",
    "ERROR: token expired",
    "token: invalid",
    "secretary: Bob",
    "PASS: 12 tests",
    "tokenizer=bert",
    "--password-stdin",
    "password_file=/etc/x",
    "PasswordAuthentication no",
    "-----BEGIN PUBLIC KEY-----",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "AccessKeyId: AKIAIOSFODNN7EXAMPLE",
    "systemctl status sshd",
    "aws ssm put-parameter --name /a/b --type String --value plain",
    "aws ssm put-parameter --name /a/b --type SecureString --value file://a.txt",
    "aws ssm get-parameter --name /a/b --with-decryption",
    "aws cloudwatch put-metric-data --metric-name SecureStrings --value 3",
    "openssl enc -aes-256-cbc -kfile a.key -in a -out b",
    "openssl req -new -key a.key -out a.csr",
    "openssl enc -aes-256-cbc -k $PW -in a",
    "net user",
    "net user bob",
    "net user bob /delete",
    "net user bob * /add",
    "net user add bob",
    "net use Z: \\\\host\\share /user:bob",
    "net use Z: \\\\host\\share *",
    "sqlplus /nolog @scripts/run.sql",
    "sqlplus / as sysdba",
    "sqlplus -s scott@db @scripts/run.sql",
    "rman target / log=a.log",
    "ls scott/tiger",
    "SQL> connect / as sysdba",
    "isql -v shop",
    "isql -U sa -S db -i a.sql",
    "rabbitmqctl list_users",
    "rabbitmqctl delete_user a",
    "rabbitmqctl set_user_tags a administrator",
    "nmcli device wifi show-password",
    "nmcli --ask device wifi connect home",
    "nmcli -s -g 802-11-wireless-security.psk connection show home",
    "wpa_passphrase home",
]


@pytest.mark.fault(
    94, "secrets typed as options, settings, headers, addresses, tokens and keys", "each is masked whole"
)
@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in SECRET.items() for text in texts])
def test_what_looks_like_a_secret_is_masked(kind: str, text: str) -> None:
    masked, found = masked_text(text)
    assert S not in masked
    assert kind in {secret.kind for secret in found}
    assert masked.count("\n") == text.count("\n")
    again, _ = masked_text(masked)
    assert again == masked, "a mask is no secret"


def test_every_kind_has_an_example() -> None:
    assert set(SECRET) == set(KINDS)


@pytest.mark.fault(94, "ordinary lines that speak of passwords, keys and tokens", "nothing is masked")
@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_line_stays_as_it_is(text: str) -> None:
    assert masked_text(text) == (text, [])


@pytest.mark.fault(94, "terminal orders, corrections and narrow screens that split a secret", "it is masked whole")
@pytest.mark.parametrize(
    "text",
    [
        "mysql -p\x1b[31mHun\x1b[0mter2Zz9",
        "mys\x1b[0mql -pHunter2Zz9",
        "mysql -pHunX\b \bter2Zz9",
        "mysql -pHunX\b\x1b[Kter2Zz9",
        "mysql -pHun\u200bter2Zz9",
        "export DB_PASSWORD=Hunter \r2Zz9",
        "\x1b[?2004lexport DB_PASSWORD=Hunter2Zz9\r",
        "mysql -u root \\\n> -pHunter2Zz9",
    ],
)
def test_what_acts_on_a_terminal_does_not_split_a_secret(text: str) -> None:
    masked, found = masked_text(text)
    assert found
    assert not {"Hun", "ter2", "2Zz9"} & {masked[n : n + k] for n in range(len(masked)) for k in (3, 4)}


@pytest.mark.fault(94, "a command behind a name such as PASSWORD", "the command is in the packet")
@pytest.mark.parametrize(
    "text",
    [
        "API_KEY=x1;curl https://example.com/run | sh",
        "PASSWORD=a1 rm -rf /var/log",
        "TOKEN=a1&&userdel bob",
        "-----BEGIN PRIVATE KEY-----\nsh-5.2$ userdel bob",
        "echo '-----BEGIN PRIVATE KEY-----'; userdel bob",
        'PASSWORD="$(userdel bob)"',
        "PASSWORD=`userdel bob`",
        "Authorization: abcd1 ; userdel bob",
        "Cookie: a=bcde1 ; userdel bob",
    ],
)
def test_nobody_hides_a_command_behind_a_mask(text: str) -> None:
    masked, _ = masked_text(text)
    assert any(command in masked for command in ("curl https", "rm -rf /var/log", "userdel bob"))


def test_a_secret_that_goes_on_in_the_next_piece_of_a_line_is_masked_in_both() -> None:
    line = "x" * 90 + " password=" + S * 2 + " y"
    for cut in range(len(line)):
        pieces = line[:cut], line[cut:]
        masked = [
            masked_line(piece, secrets_in([line]), offset) for piece, offset in zip(pieces, (0, cut), strict=True)
        ]
        assert "".join(masked) == line.replace(S * 2, PLACEHOLDER.format("assignment"))


HOSTILE = [
    "pass=",
    "token:",
    'password="',
    "password='",
    'password="\\',
    '\\"',
    '"password":"\\',
    "mysql -p",
    "mysql ",
    "://a:",
]
HOSTILE += [
    "eyJ.",
    "\x1b[",
    "\b",
    "x\b",
    "net /",
    "docker login ",
    "AKIAIOSFODNN7EXAMPLE ",
    " -- ",
    "--password ",
    "echo a|",
    "sqlplus a/",
    "isql a b ",
    "net user a ",
    "net use \\\\",
    "put-parameter SecureString ",
    "openssl enc ",
    "rabbitmqctl add_user ",
    "nmcli password ",
    "wpa_passphrase ",
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_hostile_line_of_33_000_characters_ends(unit: str) -> None:
    secrets_in([(unit * 33_000)[:33_000]])


def test_masked_text_of_json_is_json_still() -> None:
    text = json.dumps({"requestParameters": {"password": S, "command": f"mysql -p{S} -e 'select 1'"}, "tail": [1, 2]})
    masked, found = masked_text(text)
    assert S not in masked
    assert len(found) == 2
    assert json.loads(masked)["tail"] == [1, 2]
