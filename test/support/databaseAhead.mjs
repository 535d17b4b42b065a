/**
 * Preloaded into a server process (`node --import`): its database's clock seems to be DATABASE_AHEAD_MS ahead, so that a
 * test need not wait for the end of a minute.
 */
import mongoose from 'mongoose';

const { Db } = mongoose.mongo;
const { command } = Db.prototype;
Db.prototype.command = async function (...args) {
  const answer = await command.apply(this, args);
  if (answer.localTime)
    answer.localTime = new Date(answer.localTime.getTime() + Number(process.env.DATABASE_AHEAD_MS));
  return answer;
};
