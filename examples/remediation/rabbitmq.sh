#!/bin/sh
# Starts RabbitMQ for the walk-through: `sh rabbitmq.sh FOLDER`. It listens on this machine only, and keeps everything in the folder, with the
# passwords of its logins in `billing.password` and `billing-sandbox.password`. `sh rabbitmq.sh FOLDER stop` ends it.
set -eu
desk=$1/rabbitmq
api=http://127.0.0.1:18461/api

if [ "${2-}" = stop ]; then
    kill "$(cat "$desk/pid")" "$(cat "$desk/epmd.pid")"
    exit
fi

# Debian's program would switch to the user rabbitmq, who may not read the folder.
server=/usr/lib/rabbitmq/bin/rabbitmq-server
[ -x $server ] || server=rabbitmq-server
umask 077
mkdir -p "$desk"
secret() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }
admin=$(secret)
for login in billing billing-sandbox; do secret | tr -d '\n' >"$1/$login.password"; done

echo '[rabbitmq_management].' >"$desk/enabled"
: >"$desk/env"
cat >"$desk/rabbitmq.conf" <<END
listeners.tcp.1 = 127.0.0.1:18463
management.tcp.ip = 127.0.0.1
management.tcp.port = 18461
default_user = admin
default_pass = $admin
default_user_tags.administrator = true
END

export HOME="$desk" ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT=18464 RABBITMQ_DIST_PORT=18465 RABBITMQ_NODE_IP_ADDRESS=127.0.0.1
export RABBITMQ_NODE_PORT=18463 RABBITMQ_NODENAME=walk-through@localhost RABBITMQ_MNESIA_BASE="$desk/mnesia" RABBITMQ_LOG_BASE="$desk/log"
export RABBITMQ_CONFIG_FILE="$desk/rabbitmq.conf" RABBITMQ_CONF_ENV_FILE="$desk/env" RABBITMQ_ENABLED_PLUGINS_FILE="$desk/enabled"
export RABBITMQ_PID_FILE="$desk/pid" RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}'
# The program that knows the names of nodes is started here, because otherwise RabbitMQ starts one that outlives it.
epmd -address 127.0.0.1 -port 18464 >/dev/null 2>&1 &
echo $! >"$desk/epmd.pid"
until epmd -port 18464 -names >/dev/null 2>&1; do sleep 0.1; done
$server >"$desk/printed" 2>&1 &

ask() { curl -s -f -o /dev/null -u "admin:$admin" -H 'content-type: application/json' "$@"; }
until ask $api/whoami; do
    kill -0 $! || { cat "$desk/printed" >&2; exit 1; }
    sleep 0.2
done
for host in sandbox production; do
    [ $host = sandbox ] && login=billing-sandbox || login=billing
    ask -X PUT -d '{}' $api/vhosts/$host
    # Only an administrator of RabbitMQ may set a password, even its own.
    ask -X PUT -d "{\"tags\": \"administrator\", \"password\": \"$(cat "$1/$login.password")\"}" $api/users/$login
    ask -X PUT -d '{"configure": ".*", "write": ".*", "read": ".*"}' $api/permissions/$host/$login
done
echo "rabbitmq: listens on http://127.0.0.1:18461"
