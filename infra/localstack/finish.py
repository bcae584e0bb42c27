"""After a deploy on an emulator: sets what emulators' CloudFormation leaves out, and writes the stack's variables.

finish.py STACK TEMPLATE ENV_FILE
"""

import sys

import boto3
from samcli.yamlhelper import yaml_parse

stack, template_file, env_file = sys.argv[1:]
cloudformation = boto3.client("cloudformation")
resources = {
    resource["LogicalResourceId"]: resource.get("PhysicalResourceId")
    for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    for resource in page["StackResourceSummaries"]
}
outputs = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
outputs = {output["OutputKey"]: output["OutputValue"] for output in outputs}
with open(template_file) as file:
    template = yaml_parse(file.read())["Resources"]

# What the template says of the table's expiry and the bucket's lifecycle is ignored by emulators.
dynamodb, s3 = boto3.client("dynamodb"), boto3.client("s3")
expiry = dynamodb.describe_time_to_live(TableName=resources["Table"])["TimeToLiveDescription"]
if expiry["TimeToLiveStatus"] not in ("ENABLED", "ENABLING"):
    specification = dict(template["Table"]["Properties"]["TimeToLiveSpecification"])
    dynamodb.update_time_to_live(TableName=resources["Table"], TimeToLiveSpecification=specification)
rules = []
for rule in template["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]:
    known = {"ID": rule["Id"], "Status": rule["Status"], "Filter": {"Prefix": rule.get("Prefix", "")}}
    if "ExpirationInDays" in rule:
        known["Expiration"] = {"Days": rule["ExpirationInDays"]}
    if "AbortIncompleteMultipartUpload" in rule:
        known["AbortIncompleteMultipartUpload"] = dict(rule["AbortIncompleteMultipartUpload"])
    rules.append(known)
s3.put_bucket_lifecycle_configuration(Bucket=resources["Bucket"], LifecycleConfiguration={"Rules": rules})

# A function's own variables are the one list of names and URLs.
function = boto3.client("lambda").get_function_configuration(FunctionName=outputs["ApiFunctionName"])
variables = {name: value for name, value in function["Environment"]["Variables"].items() if name.startswith("PARAPET_")}
variables["PARAPET_API_URL"] = outputs["ApiUrl"]
with open(env_file, "w") as file:
    for name, value in sorted(variables.items()):
        file.write(f"export {name}='{value}'\n")
print(f"{stack} is deployed; its variables are in {env_file}")
