-- Records an approval by a person who may not approve.
INSERT INTO rejected_answers (approval_id, answer, answered_by, reason)
VALUES (:approval_id, :answer, :answered_by, :reason);
