// A visit at a charge point of the npm package em-ocpp-chargepoint-simulator, in its batch mode: boot, a whole
// session with a card, then a session that the platform starts and stops. The URL comes in the environment.
module.exports = async function (connect) {
  const now = () => new Date().toISOString();
  const status = (name) => cp.sendStatusNotification({connectorId: 1, errorCode: 'NoError', status: name});
  const meter = (transactionId, value) => cp.meterValues({
    connectorId: 1, transactionId, meterValue: [{timestamp: now(), sampledValue: [
      {value: String(value), context: 'Sample.Periodic', measurand: 'Energy.Active.Import.Register', unit: 'Wh'},
      {value: '7200', measurand: 'Power.Active.Import', unit: 'W'}]}]});
  const begin = async (idTag, meterStart) => {
    await status('Preparing');
    cp.transaction = await cp.startTransaction({connectorId: 1, idTag, meterStart, timestamp: now()});
    await status('Charging');
    await meter(cp.transaction.transactionId, meterStart + 1);
  };
  const end = async (meterStop, reason) => {
    await cp.stopTransaction({transactionId: cp.transaction.transactionId, meterStop, timestamp: now(), reason});
    await status('Finishing');
    await status('Available');
  };

  const cp = await connect(process.env.CHARGE_POINT_URL);
  const boot = await cp.sendBootnotification({chargePointVendor: 'oglimmer', chargePointModel: 'scriptable'});
  if (boot.status !== 'Accepted') throw new Error(`boot: ${boot.status}`);
  await cp.sendHeartbeat();
  await cp.sendStatusNotification({connectorId: 0, errorCode: 'NoError', status: 'Available'});
  await status('Available');

  const stoppedRemotely = new Promise((done) => {
    cp.answerRemoteStartTransaction(async (request) => {
      cp.sendResponse(request.uniqueId, {status: 'Accepted'});
      await begin(request.payload.idTag, 1008);
    });
    cp.answerRemoteStopTransaction(async (request) => {
      cp.sendResponse(request.uniqueId, {status: 'Accepted'});
      await end(1020, 'Remote');
      done();
    });
  });

  const card = await cp.sendAuthorize({idTag: 'TAG-1'});
  if (card.idTagInfo.status !== 'Accepted') throw new Error(`card: ${card.idTagInfo.status}`);
  await begin('TAG-1', 1000);
  await end(1008, 'Local');

  await stoppedRemotely;
  cp.close();
};
