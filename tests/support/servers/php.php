<?php
// Pages are left to PHP's own server; where there are none, the path as a script has it.
if (is_dir("{$_SERVER['DOCUMENT_ROOT']}/public")) {
    return false;
}
header('Content-Type: text/plain');
echo "reads {$_SERVER['SCRIPT_NAME']}\n";
