"""Makes the objects that the tests use, through the API with AWS's own client: users, keys, policies, a secret, a finding. Prints the keys."""

import json
import sys

import boto3

URL = f"http://127.0.0.1:{sys.argv[1]}"
ALLOWED = ["iam:ListAccessKeys", "iam:UpdateAccessKey", "secretsmanager:*", "securityhub:*"]


def client(service, key_id="not-yet", secret="not-yet"):
    return boto3.client(service, endpoint_url=URL, region_name="us-east-1", aws_access_key_id=key_id, aws_secret_access_key=secret)


# Five actions are allowed without a valid key; the sixth is refused.
iam = client("iam")
iam.create_user(UserName="responder")
policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ALLOWED, "Resource": "*"}]}
iam.put_user_policy(UserName="responder", PolicyName="respond", PolicyDocument=json.dumps(policy))
key = iam.create_access_key(UserName="responder")["AccessKey"]
iam.create_user(UserName="leaked")
leaked = iam.create_access_key(UserName="leaked")["AccessKey"]
try:
    iam.list_users()
    sys.exit("moto does not check signatures")
except iam.exceptions.ClientError:
    pass

mine = (key["AccessKeyId"], key["SecretAccessKey"])
client("secretsmanager", *mine).create_secret(Name="inventory/api", SecretString="what-the-inventory-wants")
client("securityhub", *mine).enable_security_hub()
print(json.dumps({"id": mine[0], "secret": mine[1], "leaked": leaked["AccessKeyId"], "leaked_secret": leaked["SecretAccessKey"]}))
